#include "wire_info.h"

#include "error_records.h"

namespace dbos {

std::string_view ToString(WorkflowStatus status) {
  switch (status) {
    case WorkflowStatus::kPending:
      return "PENDING";
    case WorkflowStatus::kSuccess:
      return "SUCCESS";
    case WorkflowStatus::kError:
      return "ERROR";
    case WorkflowStatus::kCancelled:
      return "CANCELLED";
    case WorkflowStatus::kMaxRecoveryAttemptsExceeded:
      return "MAX_RECOVERY_ATTEMPTS_EXCEEDED";
    case WorkflowStatus::kEnqueued:
      return "ENQUEUED";
    case WorkflowStatus::kDelayed:
      return "DELAYED";
    case WorkflowStatus::kUnknown:
      break;
  }
  return "UNKNOWN";
}

namespace runtime {

WorkflowInfo ToInfo(const v1::WorkflowInfo& workflow) {
  WorkflowInfo info;
  info.workflow_id = workflow.workflow_id();
  info.status = static_cast<WorkflowStatus>(workflow.status());
  info.name = workflow.name();
  if (workflow.has_input()) info.input = workflow.input().data();
  if (workflow.outcome().has_value()) info.output = workflow.outcome().value().data();
  if (workflow.outcome().has_error()) info.error = DecodeRecord(workflow.outcome().error().data());
  info.executor_id = workflow.executor_id();
  info.queue_name = workflow.queue_name();
  info.application_name = workflow.application_name();
  info.application_version = workflow.application_version();
  info.parent_workflow_id = workflow.parent_workflow_id();
  info.forked_from = workflow.forked_from();
  info.recovery_attempts = workflow.recovery_attempts();
  info.created_at_ms = workflow.created_at_ms();
  info.updated_at_ms = workflow.updated_at_ms();
  info.started_at_ms = workflow.started_at_ms();
  info.completed_at_ms = workflow.completed_at_ms();
  info.timeout_ms = workflow.timeout_ms();
  info.deadline_ms = workflow.deadline_ms();
  return info;
}

StepInfo ToInfo(const v1::StepRecord& step) {
  StepInfo info;
  info.step_id = step.step_id();
  info.name = step.name();
  if (step.outcome().has_value()) info.output = step.outcome().value().data();
  if (step.outcome().has_error()) info.error = DecodeRecord(step.outcome().error().data());
  info.child_workflow_id = step.child_workflow_id();
  info.started_at_ms = step.started_at_ms();
  info.completed_at_ms = step.completed_at_ms();
  return info;
}

v1::ListWorkflowsRequest ToRequest(const ListOptions& options) {
  v1::ListWorkflowsRequest request;
  for (const WorkflowStatus status : options.status) request.add_status(static_cast<v1::WorkflowStatus>(status));
  request.set_name(options.name);
  request.set_workflow_id_prefix(options.workflow_id_prefix);
  request.set_application_version(options.application_version);
  request.set_limit(options.limit);
  request.set_offset(options.offset);
  request.set_oldest_first(options.oldest_first);
  request.set_with_input(options.with_input);
  request.set_with_outcome(options.with_outcome);
  return request;
}

}  // namespace runtime
}  // namespace dbos
