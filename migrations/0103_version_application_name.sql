ALTER TABLE {schema}application_versions ADD COLUMN application_name TEXT;
