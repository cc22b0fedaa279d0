-- The function of 16 parameters goes in the transaction that brings the one of 17.
DROP FUNCTION IF EXISTS {schema}enqueue_workflow(
  TEXT, TEXT, JSON[], JSON, TEXT, TEXT, TEXT, TEXT, BIGINT, BIGINT, TEXT, INT4, TEXT, TEXT, TEXT, BIGINT);

CREATE OR REPLACE FUNCTION {schema}enqueue_workflow(
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
    updated_at, inputs)
  VALUES (
    new_id, CASE WHEN delay_until_epoch_ms IS NULL THEN 'ENQUEUED' ELSE 'DELAYED' END, workflow_name, class_name,
    config_name, queue_name, deduplication_id, COALESCE(priority, 0), queue_partition_key, app_version,
    application_name, authenticated_user, authenticated_roles, timeout_ms, deadline_epoch_ms, delay_until_epoch_ms, 0,
    'portable_json',
    CAST(gen_random_uuid() AS TEXT), now_ms, now_ms,
    CAST(json_build_object('positionalArgs', positional_args, 'namedArgs', named_args) AS TEXT))
  ON CONFLICT (workflow_uuid) DO UPDATE SET updated_at = EXCLUDED.updated_at;
  RETURN new_id;
EXCEPTION WHEN unique_violation THEN
  RAISE EXCEPTION USING
    ERRCODE = '23505',
    MESSAGE = 'DBOS queue duplicated',
    DETAIL = format('Workflow %s with queue %s and deduplication ID %s already exists', new_id, queue_name,
                    deduplication_id);
END;
$body$;
