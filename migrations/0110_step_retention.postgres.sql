ALTER TABLE {schema}operation_outputs ADD COLUMN retention_timestamp BIGINT NOT NULL DEFAULT ({now_ms});
