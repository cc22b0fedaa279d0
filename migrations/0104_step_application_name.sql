ALTER TABLE {schema}operation_outputs ADD COLUMN {if_missing} application_name TEXT;
