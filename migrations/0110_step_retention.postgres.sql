ALTER TABLE {schema}operation_outputs ADD COLUMN {if_missing} retention_timestamp BIGINT NOT NULL DEFAULT ({now_ms});
