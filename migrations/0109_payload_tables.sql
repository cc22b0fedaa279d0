CREATE TABLE IF NOT EXISTS {schema}workflow_input (
  workflow_uuid TEXT NOT NULL,
  inputs TEXT,
  retention_timestamp BIGINT NOT NULL DEFAULT ({now_ms}),
  CONSTRAINT workflow_input_pkey PRIMARY KEY (workflow_uuid)
);
CREATE INDEX IF NOT EXISTS idx_workflow_input_retention ON {schema}workflow_input (retention_timestamp);

CREATE TABLE IF NOT EXISTS {schema}workflow_output (
  workflow_uuid TEXT NOT NULL,
  output TEXT,
  error TEXT,
  retention_timestamp BIGINT NOT NULL DEFAULT ({now_ms}),
  CONSTRAINT workflow_output_pkey PRIMARY KEY (workflow_uuid)
);
CREATE INDEX IF NOT EXISTS idx_workflow_output_retention ON {schema}workflow_output (retention_timestamp);
