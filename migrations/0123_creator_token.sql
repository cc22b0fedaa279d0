ALTER TABLE {schema}workflow_status ADD COLUMN creator_xid TEXT;
