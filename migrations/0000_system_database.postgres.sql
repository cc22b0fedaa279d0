-- The DBOS system database at version 123, for a database that has none. Names of constraints and indexes matter: later
-- shared migrations change them by name.

CREATE TABLE {schema}workflow_status (
  workflow_uuid TEXT NOT NULL,
  status TEXT,
  name TEXT,
  authenticated_user TEXT,
  assumed_role TEXT,
  authenticated_roles TEXT,
  request TEXT,
  output TEXT,
  error TEXT,
  executor_id TEXT,
  created_at BIGINT NOT NULL DEFAULT ({now_ms}),
  updated_at BIGINT NOT NULL DEFAULT ({now_ms}),
  application_version TEXT,
  application_id TEXT,
  class_name VARCHAR(255) DEFAULT NULL,
  config_name VARCHAR(255) DEFAULT NULL,
  recovery_attempts BIGINT DEFAULT 0,
  queue_name TEXT,
  workflow_timeout_ms BIGINT,
  workflow_deadline_epoch_ms BIGINT,
  inputs TEXT,
  started_at_epoch_ms BIGINT,
  deduplication_id TEXT,
  priority INT4 NOT NULL DEFAULT 0,
  queue_partition_key TEXT,
  forked_from TEXT,
  owner_xid TEXT,
  parent_workflow_id TEXT,
  serialization TEXT,
  delay_until_epoch_ms BIGINT,
  was_forked_from BOOLEAN NOT NULL DEFAULT FALSE,
  rate_limited BOOLEAN NOT NULL DEFAULT FALSE,
  completed_at BIGINT,
  attributes JSONB,
  schedule_name TEXT,
  debounce_deadline_epoch_ms BIGINT,
  is_debounced BOOLEAN NOT NULL DEFAULT FALSE,
  application_name TEXT,
  creator_xid TEXT,
  CONSTRAINT workflow_status_pkey PRIMARY KEY (workflow_uuid)
);

CREATE INDEX workflow_status_created_at_index ON {schema}workflow_status (created_at);
CREATE INDEX idx_workflow_status_pending ON {schema}workflow_status (created_at) WHERE status = 'PENDING';
CREATE INDEX idx_workflow_status_failed ON {schema}workflow_status (status, created_at)
  WHERE status IN ('ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED');
CREATE INDEX idx_workflow_status_in_flight_v2 ON {schema}workflow_status (queue_name, status, priority, created_at)
  INCLUDE (application_name)
  WHERE status IN ('ENQUEUED', 'PENDING');
CREATE INDEX idx_workflow_status_partition_dequeue_v3 ON {schema}workflow_status
  (queue_name, status, queue_partition_key, priority, created_at, workflow_uuid)
  INCLUDE (application_name)
  WHERE status IN ('ENQUEUED', 'PENDING') AND queue_partition_key IS NOT NULL;
CREATE UNIQUE INDEX uq_workflow_status_dedup_id ON {schema}workflow_status (queue_name, deduplication_id)
  WHERE deduplication_id IS NOT NULL;
CREATE INDEX idx_workflow_status_rate_limited ON {schema}workflow_status (queue_name, started_at_epoch_ms)
  WHERE rate_limited = TRUE;
CREATE INDEX idx_workflow_status_delayed ON {schema}workflow_status (delay_until_epoch_ms) WHERE status = 'DELAYED';
CREATE INDEX idx_workflow_status_deadline ON {schema}workflow_status (workflow_deadline_epoch_ms)
  WHERE status IN ('ENQUEUED', 'PENDING', 'DELAYED') AND workflow_deadline_epoch_ms IS NOT NULL;
CREATE INDEX idx_workflow_status_completed_at ON {schema}workflow_status (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX idx_workflow_status_started_at ON {schema}workflow_status (started_at_epoch_ms)
  WHERE started_at_epoch_ms IS NOT NULL;
CREATE INDEX idx_workflow_status_forked_from ON {schema}workflow_status (forked_from) WHERE forked_from IS NOT NULL;
CREATE INDEX idx_workflow_status_parent_workflow_id ON {schema}workflow_status (parent_workflow_id)
  WHERE parent_workflow_id IS NOT NULL;
CREATE INDEX idx_workflow_status_schedule_name ON {schema}workflow_status (schedule_name)
  WHERE schedule_name IS NOT NULL;
CREATE INDEX idx_workflow_status_attributes ON {schema}workflow_status USING gin (attributes)
  WHERE attributes IS NOT NULL;

CREATE TABLE {schema}workflow_input (
  workflow_uuid TEXT NOT NULL,
  inputs TEXT,
  retention_timestamp BIGINT NOT NULL DEFAULT ({now_ms}),
  CONSTRAINT workflow_input_pkey PRIMARY KEY (workflow_uuid)
);
CREATE INDEX idx_workflow_input_retention ON {schema}workflow_input (retention_timestamp);

CREATE TABLE {schema}workflow_output (
  workflow_uuid TEXT NOT NULL,
  output TEXT,
  error TEXT,
  retention_timestamp BIGINT NOT NULL DEFAULT ({now_ms}),
  CONSTRAINT workflow_output_pkey PRIMARY KEY (workflow_uuid)
);
CREATE INDEX idx_workflow_output_retention ON {schema}workflow_output (retention_timestamp);

CREATE TABLE {schema}operation_outputs (
  workflow_uuid TEXT NOT NULL,
  function_id INT4 NOT NULL,
  function_name TEXT NOT NULL DEFAULT '',
  output TEXT,
  error TEXT,
  child_workflow_id TEXT,
  started_at_epoch_ms BIGINT,
  completed_at_epoch_ms BIGINT,
  serialization TEXT,
  application_name TEXT,
  retention_timestamp BIGINT NOT NULL DEFAULT ({now_ms}),
  CONSTRAINT operation_outputs_pkey PRIMARY KEY (workflow_uuid, function_id)
);
CREATE INDEX idx_operation_outputs_completed_at_function_name_v2 ON {schema}operation_outputs
  (completed_at_epoch_ms, function_name)
  INCLUDE (application_name);
CREATE INDEX idx_operation_outputs_retention ON {schema}operation_outputs (retention_timestamp);

CREATE TABLE {schema}notifications (
  message_uuid TEXT NOT NULL DEFAULT gen_random_uuid(),
  destination_uuid TEXT NOT NULL,
  topic TEXT,
  message TEXT NOT NULL,
  created_at_epoch_ms BIGINT NOT NULL DEFAULT ({now_ms}),
  serialization TEXT,
  consumed BOOLEAN NOT NULL DEFAULT FALSE,
  consumed_by_function_id INT4,
  CONSTRAINT notifications_pkey PRIMARY KEY (message_uuid),
  CONSTRAINT notifications_destination_uuid_fkey FOREIGN KEY (destination_uuid)
    REFERENCES {schema}workflow_status (workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX idx_workflow_topic ON {schema}notifications (destination_uuid, topic);

CREATE TABLE {schema}workflow_events (
  workflow_uuid TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  serialization TEXT,
  CONSTRAINT workflow_events_pkey PRIMARY KEY (workflow_uuid, key),
  CONSTRAINT workflow_events_workflow_uuid_fkey FOREIGN KEY (workflow_uuid)
    REFERENCES {schema}workflow_status (workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE TABLE {schema}workflow_events_history (
  workflow_uuid TEXT NOT NULL,
  function_id INT4 NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  serialization TEXT,
  CONSTRAINT workflow_events_history_pkey PRIMARY KEY (workflow_uuid, function_id, key),
  CONSTRAINT workflow_events_history_workflow_uuid_fkey FOREIGN KEY (workflow_uuid)
    REFERENCES {schema}workflow_status (workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE TABLE {schema}streams (
  workflow_uuid TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  "offset" INT4 NOT NULL,
  function_id INT4 NOT NULL DEFAULT 0,
  serialization TEXT,
  CONSTRAINT streams_pkey PRIMARY KEY (workflow_uuid, key, "offset"),
  CONSTRAINT streams_workflow_uuid_fkey FOREIGN KEY (workflow_uuid)
    REFERENCES {schema}workflow_status (workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE
);

CREATE TABLE {schema}workflow_schedules (
  schedule_id TEXT NOT NULL,
  schedule_name TEXT NOT NULL,
  workflow_name TEXT NOT NULL,
  workflow_class_name TEXT,
  schedule TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'ACTIVE',
  context TEXT NOT NULL,
  last_fired_at TEXT,
  automatic_backfill BOOLEAN NOT NULL DEFAULT FALSE,
  cron_timezone TEXT,
  queue_name TEXT,
  application_name TEXT,
  CONSTRAINT workflow_schedules_pkey PRIMARY KEY (schedule_id),
  CONSTRAINT workflow_schedules_schedule_name_key UNIQUE (schedule_name)
);

CREATE TABLE {schema}application_versions (
  version_id TEXT NOT NULL,
  version_name TEXT NOT NULL,
  version_timestamp BIGINT NOT NULL DEFAULT ({now_ms}),
  created_at BIGINT NOT NULL DEFAULT ({now_ms}),
  application_name TEXT,
  CONSTRAINT application_versions_pkey PRIMARY KEY (version_id),
  CONSTRAINT application_versions_version_name_key UNIQUE (version_name)
);
CREATE UNIQUE INDEX uq_application_versions_owner_version
  ON {schema}application_versions (application_name, version_name)
  WHERE application_name IS NOT NULL;
CREATE UNIQUE INDEX uq_application_versions_unclaimed_version ON {schema}application_versions (version_name)
  WHERE application_name IS NULL;

CREATE TABLE {schema}queues (
  queue_id TEXT NOT NULL DEFAULT CAST(gen_random_uuid() AS TEXT),
  name TEXT NOT NULL,
  concurrency INT4,
  worker_concurrency INT4,
  rate_limit_max INT4,
  rate_limit_period_sec DOUBLE PRECISION,
  priority_enabled BOOLEAN NOT NULL DEFAULT FALSE,
  partition_queue BOOLEAN NOT NULL DEFAULT FALSE,
  polling_interval_sec DOUBLE PRECISION NOT NULL DEFAULT 1.0,
  created_at BIGINT NOT NULL DEFAULT ({now_ms}),
  updated_at BIGINT NOT NULL DEFAULT ({now_ms}),
  application_name TEXT,
  partition_concurrency INT4,
  partition_worker_concurrency INT4,
  partition_rate_limit_max INT4,
  partition_rate_limit_period_sec DOUBLE PRECISION,
  CONSTRAINT queues_pkey PRIMARY KEY (queue_id),
  CONSTRAINT queues_name_key UNIQUE (name)
);

CREATE TABLE {schema}dbos_migrations (
  version BIGINT NOT NULL,
  CONSTRAINT dbos_migrations_pkey PRIMARY KEY (version)
);

-- For clients that only speak SQL.
CREATE FUNCTION {schema}enqueue_workflow(
  workflow_name TEXT,
  queue_name TEXT,
  positional_args JSON[] DEFAULT CAST(ARRAY[] AS JSON[]),
  named_args JSON DEFAULT CAST('{}' AS JSON),
  class_name TEXT DEFAULT NULL,
  config_name TEXT DEFAULT NULL,
  workflow_id TEXT DEFAULT NULL,
  app_version TEXT DEFAULT NULL,
  timeout_ms BIGINT DEFAULT NULL,
  deadline_epoch_ms BIGINT DEFAULT NULL,
  deduplication_id TEXT DEFAULT NULL,
  priority INT4 DEFAULT NULL,
  queue_partition_key TEXT DEFAULT NULL,
  authenticated_user TEXT DEFAULT NULL,
  authenticated_roles TEXT DEFAULT NULL,
  delay_until_epoch_ms BIGINT DEFAULT NULL,
  application_name TEXT DEFAULT NULL
) RETURNS TEXT LANGUAGE plpgsql {pin_search_path} AS $body$
DECLARE
  new_id TEXT := COALESCE(workflow_id, CAST(gen_random_uuid() AS TEXT));
  now_ms BIGINT := CAST(EXTRACT(epoch FROM now()) * 1000 AS BIGINT);
BEGIN
  IF COALESCE(workflow_name, '') = '' THEN
    RAISE EXCEPTION 'Workflow name cannot be null or empty';
  END IF;
  IF COALESCE(queue_name, '') = '' THEN
    RAISE EXCEPTION 'Queue name cannot be null or empty';
  END IF;
  IF named_args IS NOT NULL AND json_typeof(named_args) <> 'object' THEN
    RAISE EXCEPTION 'Named args must be a JSON object';
  END IF;
  IF workflow_id = '' THEN
    RAISE EXCEPTION 'Workflow ID cannot be an empty string if provided.';
  END IF;
  IF delay_until_epoch_ms < 0 THEN
    RAISE EXCEPTION 'delay_until_epoch_ms must be >= 0';
  END IF;
  INSERT INTO {schema}workflow_status AS w (
    workflow_uuid, status, name, class_name, config_name, queue_name, deduplication_id, priority, queue_partition_key,
    application_version, application_name, authenticated_user, authenticated_roles, workflow_timeout_ms,
    workflow_deadline_epoch_ms, delay_until_epoch_ms, recovery_attempts, serialization, owner_xid, created_at,
    updated_at)
  VALUES (
    new_id, CASE WHEN delay_until_epoch_ms IS NULL THEN 'ENQUEUED' ELSE 'DELAYED' END, workflow_name, class_name,
    config_name, queue_name, deduplication_id, COALESCE(priority, 0), queue_partition_key, app_version,
    application_name, authenticated_user, authenticated_roles, timeout_ms, deadline_epoch_ms, delay_until_epoch_ms, 0,
    'portable_json',
    CAST(gen_random_uuid() AS TEXT), now_ms, now_ms)
  ON CONFLICT (workflow_uuid) DO UPDATE SET updated_at = EXCLUDED.updated_at;
  INSERT INTO {schema}workflow_input AS p (workflow_uuid, inputs, retention_timestamp)
  VALUES (new_id, CAST(json_build_object('positionalArgs', positional_args, 'namedArgs', named_args) AS TEXT), now_ms)
  ON CONFLICT (workflow_uuid) DO NOTHING;
  RETURN new_id;
EXCEPTION WHEN unique_violation THEN
  RAISE EXCEPTION USING
    ERRCODE = '23505',
    MESSAGE = 'DBOS queue duplicated',
    DETAIL = format('Workflow %s with queue %s and deduplication ID %s already exists', new_id, queue_name,
                    deduplication_id);
END;
$body$;

CREATE FUNCTION {schema}send_message(
  destination_id TEXT,
  message JSON,
  topic TEXT DEFAULT NULL,
  message_id TEXT DEFAULT NULL
) RETURNS VOID LANGUAGE plpgsql {pin_search_path} AS $body$
BEGIN
  INSERT INTO {schema}notifications AS n (message_uuid, destination_uuid, topic, message, serialization)
  VALUES (COALESCE(message_id, CAST(gen_random_uuid() AS TEXT)), destination_id, COALESCE(topic, '__null__topic__'),
          CAST(message AS TEXT), 'portable_json')
  ON CONFLICT (message_uuid) DO NOTHING;
EXCEPTION WHEN foreign_key_violation THEN
  RAISE EXCEPTION USING
    ERRCODE = '23503',
    MESSAGE = 'DBOS non-existent workflow',
    DETAIL = format('Destination workflow %s does not exist', destination_id);
END;
$body$;
