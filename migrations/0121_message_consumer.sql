ALTER TABLE {schema}notifications ADD COLUMN consumed_by_function_id INT4;
