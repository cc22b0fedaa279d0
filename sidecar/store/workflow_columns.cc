#include "sidecar/store/workflow_columns.h"

namespace dbos::sidecar {

WorkflowRecord ReadWorkflowColumns(const Result::Row& row) {
  WorkflowRecord workflow;
  workflow.workflow_id = row.Text(0);
  workflow.status = ParseWorkflowStatus(row.View(1));
  workflow.name = row.Text(2);
  workflow.class_name = row.Text(3);
  workflow.config_name = row.Text(4);
  workflow.executor_id = row.Text(5);
  workflow.queue_name = row.Text(6);
  workflow.application_name = row.Text(7);
  workflow.application_version = row.Text(8);
  workflow.parent_workflow_id = row.Text(9);
  workflow.forked_from = row.Text(10);
  workflow.owner_token = row.Text(11);
  workflow.recovery_attempts = row.Int(12);
  workflow.created_at_ms = row.Int(13);
  workflow.updated_at_ms = row.Int(14);
  workflow.started_at_ms = row.Int(15);
  workflow.completed_at_ms = row.Int(16);
  workflow.timeout_ms = row.Int(17);
  workflow.deadline_ms = row.Int(18);
  return workflow;
}

std::string ReadSerialization(const Result::Row& row) {
  return row.Text(19);
}

}  // namespace dbos::sidecar
