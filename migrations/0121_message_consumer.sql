ALTER TABLE {schema}notifications ADD COLUMN {if_missing} consumed_by_function_id INT4;
