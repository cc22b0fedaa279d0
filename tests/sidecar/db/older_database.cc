#include "tests/sidecar/db/older_database.h"

namespace dbos::sidecar {
namespace {

// Undoes the shared migrations on a database at 123, so that it stands as an SDK left it at 99.
constexpr char kBackTo99[] = R"(
ALTER TABLE {schema}workflow_status DROP COLUMN creator_xid;
DROP INDEX {schema}idx_workflow_status_deadline;
ALTER TABLE {schema}notifications DROP COLUMN consumed_by_function_id;
DROP INDEX {schema}idx_operation_outputs_completed_at_function_name_v2;
DROP INDEX {schema}idx_workflow_status_partition_dequeue_v3;
DROP INDEX {schema}idx_workflow_status_in_flight_v2;
DROP INDEX {schema}idx_operation_outputs_retention;
CREATE INDEX idx_operation_outputs_completed_at_function_name ON {schema}operation_outputs
  (completed_at_epoch_ms, function_name);
CREATE INDEX idx_workflow_status_partition_dequeue_v2 ON {schema}workflow_status
  (queue_name, status, queue_partition_key, priority, created_at, workflow_uuid)
  WHERE status IN ('ENQUEUED', 'PENDING') AND queue_partition_key IS NOT NULL;
CREATE INDEX idx_workflow_status_in_flight ON {schema}workflow_status (queue_name, status, priority, created_at)
  WHERE status IN ('ENQUEUED', 'PENDING');
CREATE INDEX idx_notifications ON {schema}notifications (destination_uuid, topic);
DROP TABLE {schema}workflow_input;
DROP TABLE {schema}workflow_output;
DROP INDEX {schema}uq_application_versions_owner_version;
DROP INDEX {schema}uq_application_versions_unclaimed_version;
ALTER TABLE {schema}operation_outputs DROP COLUMN retention_timestamp;
ALTER TABLE {schema}operation_outputs DROP COLUMN application_name;
ALTER TABLE {schema}application_versions DROP COLUMN application_name;
ALTER TABLE {schema}workflow_schedules DROP COLUMN application_name;
ALTER TABLE {schema}queues DROP COLUMN application_name;
ALTER TABLE {schema}queues DROP COLUMN partition_concurrency;
ALTER TABLE {schema}queues DROP COLUMN partition_worker_concurrency;
ALTER TABLE {schema}queues DROP COLUMN partition_rate_limit_max;
ALTER TABLE {schema}queues DROP COLUMN partition_rate_limit_period_sec;
ALTER TABLE {schema}workflow_status DROP COLUMN application_name;
UPDATE {schema}dbos_migrations SET version = 99;
INSERT INTO {schema}workflow_status (workflow_uuid, status, name) VALUES ('old', 'SUCCESS', 'w');
INSERT INTO {schema}operation_outputs (workflow_uuid, function_id, function_name) VALUES ('old', 0, 'step');
)";

// Only PostgreSQL has these.
constexpr char kPostgresBackTo99[] = R"(
ALTER TABLE dbos.operation_outputs ADD CONSTRAINT operation_outputs_workflow_uuid_fkey FOREIGN KEY (workflow_uuid)
  REFERENCES dbos.workflow_status (workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
DROP FUNCTION dbos.enqueue_workflow;
CREATE FUNCTION dbos.enqueue_workflow(TEXT, TEXT, JSON[], JSON, TEXT, TEXT, TEXT, TEXT, BIGINT, BIGINT, TEXT, INT4, TEXT,
  TEXT, TEXT, BIGINT) RETURNS TEXT LANGUAGE sql AS 'SELECT NULL';
)";

}  // namespace

void BackTo99(TestDatabase& database) {
  const Dialect dialect = database.Open().dialect;
  database.Run(ExpandSql(dialect, kBackTo99));
  if (!dialect.schema_name.empty()) database.Run(kPostgresBackTo99);
}

}  // namespace dbos::sidecar
