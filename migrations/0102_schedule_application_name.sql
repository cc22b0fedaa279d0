ALTER TABLE {schema}workflow_schedules ADD COLUMN {if_missing} application_name TEXT;
