-- One name or the other, by the SDK that made it.
ALTER TABLE {schema}operation_outputs DROP CONSTRAINT IF EXISTS operation_outputs_workflow_uuid_fkey;
ALTER TABLE {schema}operation_outputs DROP CONSTRAINT IF EXISTS operation_outputs_workflow_uuid_foreign;
