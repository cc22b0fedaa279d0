ALTER TABLE {schema}application_versions ADD COLUMN {if_missing} application_name TEXT;
