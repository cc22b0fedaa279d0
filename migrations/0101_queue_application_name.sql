ALTER TABLE {schema}queues ADD COLUMN {if_missing} application_name TEXT;
