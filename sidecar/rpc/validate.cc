#include "sidecar/rpc/validate.h"

#include "sidecar/model/migration_files.h"
#include "sidecar/rpc/checker.h"

namespace dbos::sidecar {
namespace {

// What Hello and SubscribeRequest have in common.
template <typename Greeting>
Checker CheckGreeting(const Greeting& greeting) {
  Checker checker;
  checker.Id("application_name", greeting.application_name())
      .Id("application_version", greeting.application_version())
      .Token("incarnation", greeting.incarnation());
  return checker;
}

}  // namespace

void PutLimits(std::int64_t ping_interval_ms, std::int64_t ping_timeout_ms, v1::Limits* to) {
  to->set_max_message_bytes(kMessageBytesMax);
  to->set_max_payload_bytes(kPayloadBytesMax);
  to->set_max_name_bytes(kNameBytesMax);
  to->set_max_inflight_operations(kInflightOperationsMax);
  to->set_max_registrations(kRegistrationsMax);
  to->set_ping_interval_ms(static_cast<std::uint32_t>(ping_interval_ms));
  to->set_ping_timeout_ms(static_cast<std::uint32_t>(ping_timeout_ms));
}

Error Check(const v1::Registrations& registrations) {
  Checker checker;
  checker.Range("registrations.workflows", registrations.workflows_size(), 0, kRegistrationsMax);
  for (const auto& workflow : registrations.workflows()) {
    checker.Id("registrations.workflows.name", workflow.name());
    checker.Range("registrations.workflows.max_recovery_attempts", workflow.max_recovery_attempts(), 0, INT32_MAX);
  }
  return checker.Take();
}

Error Check(const v1::Credit& credit) {
  return Checker().Range("credit.executions", credit.executions(), 0, kCreditMax).Take();
}

Error Check(const v1::Hello& hello) {
  Checker checker = CheckGreeting(hello);
  checker.OptionalText("runtime", hello.runtime())
      .OptionalToken("process.pid_namespace", hello.process().pid_namespace())
      .Range("resume", hello.resume_size(), 0, kResumeMax);
  for (const auto& execution : hello.resume()) checker.Execution(execution);
  Error error = checker.Take();
  if (error.ok()) error = Check(hello.registrations());
  return error.ok() ? Check(hello.credit()) : error;
}

Error Check(const v1::RecordStepFrame& frame) {
  return Checker().Required("step", frame.has_step()).Execution(frame.execution()).Step(frame.step()).Take();
}

Error Check(const v1::CompleteFrame& frame) {
  return Checker().Execution(frame.execution()).Outcome(frame.outcome()).Take();
}

Error Check(const v1::AwaitFrame& frame) {
  Checker checker;
  checker.Id("workflow_id", frame.workflow_id()).Timeout("timeout_ms", frame.timeout_ms());
  if (frame.has_execution()) checker.Execution(frame.execution());
  return checker.Take();
}

Error Check(const v1::ReleaseFrame& frame) {
  return Checker().Execution(frame.execution()).OptionalText("reason", frame.reason()).Take();
}

Error Check(const v1::SubscribeRequest& request) {
  Error error = CheckGreeting(request).Take();
  if (error.ok()) error = Check(request.registrations());
  return error.ok() ? Check(request.credit()) : error;
}

Error Check(const v1::ExecutionRef& execution) {
  return Checker().Execution(execution).Take();
}

Error Check(const v1::StepRecord& step) {
  return Checker().Step(step).Take();
}

Error Check(const v1::RecordStepRequest& request) {
  return Checker()
      .Execution(request.execution())
      .Range("steps", request.steps_size(), 1, kInflightOperationsMax)
      .Take();
}

Error Check(const v1::CompleteWorkflowRequest& request) {
  Checker checker;
  checker.Execution(request.execution()).Outcome(request.outcome());
  checker.Range("trailing", request.trailing_size(), 0, kInflightOperationsMax);
  for (const auto& step : request.trailing()) checker.Step(step);
  return checker.Take();
}

Error Check(const v1::GetReplayRequest& request) {
  return Checker().Execution(request.execution()).Range("after_step_id", request.after_step_id(), -1, INT32_MAX).Take();
}

Error Check(const v1::StartWorkflowRequest& request) {
  Checker checker;
  checker.OptionalText("workflow_id", request.workflow_id()).Id("name", request.name());
  if (request.has_input()) checker.Payload("input", request.input(), JsonShape::kObject);
  checker.OptionalToken("request_id", request.request_id()).Timeout("timeout_ms", request.timeout_ms());
  checker.OptionalText("application_version", request.application_version());
  if (request.has_parent()) {
    const v1::ParentStep& parent = request.parent();
    checker.Id("parent.workflow_id", parent.workflow_id()).Token("parent.owner_token", parent.owner_token());
    checker.Range("parent.step_id", parent.step_id(), 0, INT32_MAX);
    checker.Range("parent.started_at_ms", parent.started_at_ms(), 0, kTimeMsMax);
    checker.Range("parent.completed_at_ms", parent.completed_at_ms(), 0, kTimeMsMax);
  }
  return checker.Take();
}

Error Check(const v1::GetWorkflowRequest& request) {
  return Checker().Id("workflow_id", request.workflow_id()).Take();
}

Error Check(const v1::AwaitWorkflowRequest& request) {
  return Checker().Id("workflow_id", request.workflow_id()).Timeout("timeout_ms", request.timeout_ms()).Take();
}

Error Check(const v1::ListWorkflowsRequest& request) {
  Checker checker;
  checker.OptionalText("name", request.name()).OptionalText("workflow_id_prefix", request.workflow_id_prefix());
  checker.OptionalText("application_version", request.application_version());
  checker.Range("limit", request.limit(), 0, kListMax);
  checker.Range("offset", request.offset(), 0, INT32_MAX);
  checker.Range("status", request.status_size(), 0, kStatusFilterMax);
  for (int status : request.status()) {
    checker.Range("status", status, v1::WORKFLOW_STATUS_PENDING, v1::WORKFLOW_STATUS_DELAYED);
  }
  return checker.Take();
}

Error Check(const v1::ListStepsRequest& request) {
  return Checker()
      .Id("workflow_id", request.workflow_id())
      .Range("after_step_id", request.after_step_id(), -1, INT32_MAX)
      .Range("limit", request.limit(), 0, kListMax)
      .Take();
}

Error Check(const v1::CancelWorkflowRequest& request) {
  return Checker().Id("workflow_id", request.workflow_id()).Take();
}

Error Check(const v1::DrainRequest& request) {
  return Checker().Timeout("finish_within_ms", request.finish_within_ms()).Take();
}

Error Check(const v1::RunMigrationsRequest& request) {
  const v1::MigrationOptions& options = request.options();
  Checker checker;
  checker.Range("options.action", options.action(), 0, v1::MIGRATION_ACTION_STATUS);
  checker.Range("options.rerun", options.rerun_size(), 0, kMigrationFilesMax);
  checker.Range("options.mark_applied", options.mark_applied_size(), 0, kMigrationFilesMax);
  for (const std::string& name : options.rerun()) checker.Id("options.rerun", name);
  for (const std::string& name : options.mark_applied()) checker.Id("options.mark_applied", name);
  for (const v1::MigrationFile& file : request.files()) {
    checker.OptionalText("files.directory", file.directory()).Id("files.name", file.name());
  }
  return checker.Take();
}

}  // namespace dbos::sidecar
