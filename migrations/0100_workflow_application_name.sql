ALTER TABLE {schema}workflow_status ADD COLUMN {if_missing} application_name TEXT;
