ALTER TABLE {schema}workflow_status ADD COLUMN application_name TEXT;
