#include "sidecar/rpc/convert.h"

#include <array>
#include <utility>

namespace dbos::sidecar {
namespace {

constexpr std::size_t kRecordOverheadBytes = 96;

constexpr std::array<std::pair<WorkflowStatus, v1::WorkflowStatus>, 8> kStatuses = {{
    {WorkflowStatus::kUnknown, v1::WORKFLOW_STATUS_UNSPECIFIED},
    {WorkflowStatus::kPending, v1::WORKFLOW_STATUS_PENDING},
    {WorkflowStatus::kSuccess, v1::WORKFLOW_STATUS_SUCCESS},
    {WorkflowStatus::kError, v1::WORKFLOW_STATUS_ERROR},
    {WorkflowStatus::kCancelled, v1::WORKFLOW_STATUS_CANCELLED},
    {WorkflowStatus::kMaxRecoveryAttemptsExceeded, v1::WORKFLOW_STATUS_MAX_RECOVERY_ATTEMPTS_EXCEEDED},
    {WorkflowStatus::kEnqueued, v1::WORKFLOW_STATUS_ENQUEUED},
    {WorkflowStatus::kDelayed, v1::WORKFLOW_STATUS_DELAYED},
}};

// A caller without arguments may leave the input out; the SDKs want to read one.
constexpr char kNoArguments[] = R"({"positionalArgs":[],"namedArgs":{}})";

}  // namespace

ExecutionRef TakeExecution(v1::ExecutionRef& from) {
  return {std::move(*from.mutable_workflow_id()), std::move(*from.mutable_owner_token())};
}

Payload TakePayload(v1::Payload& from) {
  Payload to;
  to.data = std::move(*from.mutable_data());
  if (!from.serialization().empty()) to.serialization = std::move(*from.mutable_serialization());
  return to;
}

Outcome TakeOutcome(v1::Outcome& from) {
  if (from.has_error()) return {Outcome::Kind::kError, TakePayload(*from.mutable_error())};
  return {Outcome::Kind::kValue, TakePayload(*from.mutable_value())};
}

StepRecord TakeStep(v1::StepRecord& from, std::int64_t now_ms) {
  StepRecord to;
  to.step_id = from.step_id();
  to.name = std::move(*from.mutable_name());
  if (from.has_outcome()) to.outcome = TakeOutcome(*from.mutable_outcome());
  to.child_workflow_id = std::move(*from.mutable_child_workflow_id());
  to.completed_at_ms = from.completed_at_ms() != 0 ? from.completed_at_ms() : now_ms;
  to.started_at_ms = from.started_at_ms() != 0 ? from.started_at_ms() : to.completed_at_ms;
  return to;
}

std::vector<WorkflowDefinition> TakeDefinitions(v1::Registrations& from) {
  std::vector<WorkflowDefinition> to;
  to.reserve(static_cast<std::size_t>(from.workflows_size()));
  for (auto& workflow : *from.mutable_workflows()) {
    WorkflowDefinition& definition = to.emplace_back();
    definition.name = std::move(*workflow.mutable_name());
    if (workflow.max_recovery_attempts() != 0) definition.max_recovery_attempts = workflow.max_recovery_attempts();
  }
  return to;
}

HelloRequest TakeHello(v1::Hello& from) {
  HelloRequest to;
  to.application_version = std::move(*from.mutable_application_version());
  to.incarnation = std::move(*from.mutable_incarnation());
  to.workflows = TakeDefinitions(*from.mutable_registrations());
  to.credit = from.credit().executions();
  to.resume.reserve(static_cast<std::size_t>(from.resume_size()));
  for (auto& execution : *from.mutable_resume()) to.resume.push_back(TakeExecution(execution));
  return to;
}

HelloRequest TakeSubscribe(v1::SubscribeRequest& from) {
  HelloRequest to;
  to.application_version = std::move(*from.mutable_application_version());
  to.incarnation = std::move(*from.mutable_incarnation());
  to.workflows = TakeDefinitions(*from.mutable_registrations());
  to.credit = from.credit().executions() == 0 ? 1 : from.credit().executions();
  to.pinged = false;
  return to;
}

StartRequest TakeStart(v1::StartWorkflowRequest& from, std::int64_t now_ms) {
  StartRequest to;
  to.workflow_id = std::move(*from.mutable_workflow_id());
  to.name = std::move(*from.mutable_name());
  if (from.has_input()) {
    to.input = TakePayload(*from.mutable_input());
  } else {
    to.input.data = kNoArguments;
  }
  to.request_token = std::move(*from.mutable_request_id());
  to.timeout_ms = from.timeout_ms();
  to.application_version = std::move(*from.mutable_application_version());
  if (from.has_parent()) {
    v1::ParentStep& parent = *from.mutable_parent();
    StartOp::Parent step;
    step.execution = {std::move(*parent.mutable_workflow_id()), std::move(*parent.mutable_owner_token())};
    step.step_id = parent.step_id();
    step.completed_at_ms = parent.completed_at_ms() != 0 ? parent.completed_at_ms() : now_ms;
    step.started_at_ms = parent.started_at_ms() != 0 ? parent.started_at_ms() : step.completed_at_ms;
    to.parent = std::move(step);
  }
  return to;
}

AwaitRequest TakeAwait(v1::AwaitFrame& from) {
  AwaitRequest to;
  to.workflow_id = std::move(*from.mutable_workflow_id());
  to.timeout_ms = from.timeout_ms();
  if (from.has_execution()) to.execution = TakeExecution(*from.mutable_execution());
  return to;
}

WorkflowFilter TakeFilter(v1::ListWorkflowsRequest& from) {
  WorkflowFilter to;
  for (int status : from.status()) to.status.push_back(FromWire(static_cast<v1::WorkflowStatus>(status)));
  to.name = std::move(*from.mutable_name());
  to.workflow_id_prefix = std::move(*from.mutable_workflow_id_prefix());
  to.application_version = std::move(*from.mutable_application_version());
  if (from.limit() != 0) to.limit = from.limit();
  to.offset = from.offset();
  to.oldest_first = from.oldest_first();
  to.with_input = from.with_input();
  to.with_outcome = from.with_outcome();
  return to;
}

v1::WorkflowStatus ToWire(WorkflowStatus status) {
  for (const auto& [model, wire] : kStatuses) {
    if (model == status) return wire;
  }
  return v1::WORKFLOW_STATUS_UNSPECIFIED;
}

WorkflowStatus FromWire(v1::WorkflowStatus status) {
  for (const auto& [model, wire] : kStatuses) {
    if (wire == status) return model;
  }
  return WorkflowStatus::kUnknown;
}

void Put(ExecutionRef from, v1::ExecutionRef* to) {
  *to->mutable_workflow_id() = std::move(from.workflow_id);
  *to->mutable_owner_token() = std::move(from.owner_token);
}

void Put(Payload from, v1::Payload* to) {
  *to->mutable_data() = std::move(from.data);
  *to->mutable_serialization() = std::move(from.serialization);
}

void Put(Outcome from, v1::Outcome* to) {
  Put(std::move(from.payload), from.kind == Outcome::Kind::kError ? to->mutable_error() : to->mutable_value());
}

void Put(StepRecord from, v1::StepRecord* to) {
  to->set_step_id(from.step_id);
  *to->mutable_name() = std::move(from.name);
  if (from.outcome) Put(*std::move(from.outcome), to->mutable_outcome());
  *to->mutable_child_workflow_id() = std::move(from.child_workflow_id);
  to->set_started_at_ms(from.started_at_ms);
  to->set_completed_at_ms(from.completed_at_ms);
}

void Put(WorkflowRecord from, v1::WorkflowInfo* to) {
  *to->mutable_workflow_id() = std::move(from.workflow_id);
  to->set_status(ToWire(from.status));
  *to->mutable_name() = std::move(from.name);
  *to->mutable_class_name() = std::move(from.class_name);
  *to->mutable_config_name() = std::move(from.config_name);
  if (from.input) Put(*std::move(from.input), to->mutable_input());
  if (from.outcome) Put(*std::move(from.outcome), to->mutable_outcome());
  *to->mutable_executor_id() = std::move(from.executor_id);
  *to->mutable_queue_name() = std::move(from.queue_name);
  *to->mutable_application_name() = std::move(from.application_name);
  *to->mutable_application_version() = std::move(from.application_version);
  *to->mutable_parent_workflow_id() = std::move(from.parent_workflow_id);
  *to->mutable_forked_from() = std::move(from.forked_from);
  to->set_recovery_attempts(from.recovery_attempts);
  to->set_created_at_ms(from.created_at_ms);
  to->set_updated_at_ms(from.updated_at_ms);
  to->set_started_at_ms(from.started_at_ms);
  to->set_completed_at_ms(from.completed_at_ms);
  to->set_timeout_ms(from.timeout_ms);
  to->set_deadline_ms(from.deadline_ms);
}

void Put(Dispatch from, v1::Execution* to) {
  Put(std::move(from.execution), to->mutable_execution());
  *to->mutable_name() = std::move(from.name);
  Put(std::move(from.input), to->mutable_input());
  to->set_recovery_attempts(from.recovery_attempts);
  to->set_deadline_ms(from.deadline_ms);
  *to->mutable_parent_workflow_id() = std::move(from.parent_workflow_id);
  *to->mutable_application_version() = std::move(from.application_version);
  for (StepRecord& step : from.replay) Put(std::move(step), to->add_replay());
  to->set_replay_complete(from.replay_complete);
}

void Put(ReplayPage from, v1::ReplayPage* to) {
  Put(std::move(from.execution), to->mutable_execution());
  for (StepRecord& step : from.steps) Put(std::move(step), to->add_steps());
  to->set_last(from.last);
  to->set_after_step_id(from.after_step_id);
}

void Put(StartResult from, v1::StartWorkflowResponse* to) {
  *to->mutable_workflow_id() = std::move(from.workflow_id);
  to->set_status(ToWire(from.status));
  to->set_created(from.created);
}

void Put(AwaitResult from, v1::AwaitWorkflowResponse* to) {
  *to->mutable_workflow_id() = std::move(from.workflow_id);
  to->set_status(ToWire(from.status));
  if (from.outcome) Put(*std::move(from.outcome), to->mutable_outcome());
}

void Put(Reattached from, v1::Reattached* to) {
  Put(std::move(from.execution), to->mutable_execution());
  to->set_verdict(static_cast<v1::Reattached::Verdict>(from.verdict));
}

std::size_t WireBytes(const StepRecord& step) {
  const std::size_t payload = step.outcome ? step.outcome->payload.data.size() : 0;
  return kRecordOverheadBytes + step.name.size() + step.child_workflow_id.size() + payload;
}

std::size_t WireBytes(const std::vector<StepRecord>& steps) {
  std::size_t bytes = 0;
  for (const StepRecord& step : steps) bytes += WireBytes(step);
  return bytes;
}

std::size_t WireBytes(const Dispatch& dispatch) {
  return kRecordOverheadBytes + dispatch.name.size() + dispatch.execution.workflow_id.size() +
         dispatch.input.data.size() + WireBytes(dispatch.replay);
}

}  // namespace dbos::sidecar
