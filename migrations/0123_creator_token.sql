ALTER TABLE {schema}workflow_status ADD COLUMN {if_missing} creator_xid TEXT;
