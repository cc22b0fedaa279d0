// Children: starting a workflow from a workflow, and awaiting one durably.
#include <utility>

#include "execution.h"
#include "ids.h"
#include "protocol_errors.h"
#include "start_request.h"

namespace dbos::runtime {
namespace {

constexpr char kGetResult[] = "DBOS.getResult";

}  // namespace

std::string Execution::StartChild(std::string_view name, const StartOptions& options, std::string input) {
  CheckCall("workflow", name);
  const std::int32_t step_id = next_step_++;
  if (const v1::StepRecord* recorded = TakeRecorded(step_id, name)) {
    if (recorded->outcome().has_error()) ValueOfWorkflow({}, OutcomeOf(recorded->outcome()));
    return recorded->child_workflow_id();
  }
  v1::StartFrame frame;
  *frame.mutable_start() = MakeStartRequest(name, options, std::move(input), services_.session.limits());
  v1::ParentStep& parent = *frame.mutable_start()->mutable_parent();
  parent.set_workflow_id(workflow_id());
  parent.set_owner_token(ref_.owner_token());
  parent.set_step_id(step_id);
  parent.set_started_at_ms(NowMs());
  parent.set_completed_at_ms(parent.started_at_ms());
  if (options.workflow_id.empty()) {
    frame.mutable_start()->set_workflow_id(workflow_id() + "-" + std::to_string(step_id));
  }
  const auto reply = std::make_shared<Reply>(journal_);
  journal_->Send({.kind = FrameKind::kStart, .body = frame.SerializeAsString(), .owner = reply});
  WaitAccepted(reply);
  return reply->started().workflow_id();
}

std::string Execution::AwaitChild(const std::string& child_id) {
  CheckCall("workflow", kGetResult);
  CheckName("workflow id", child_id, services_.session.max_name_bytes());
  // Nothing else can take the id while this thread waits, so looking before the wait is looking after it.
  if (const v1::StepRecord* recorded = TakeRecorded(next_step_, kGetResult)) {
    if (recorded->child_workflow_id() != child_id) Mismatch(*recorded, std::string(kGetResult) + " of " + child_id);
    ++next_step_;
    return ValueOfWorkflow(child_id, OutcomeOf(recorded->outcome()));
  }
  const std::int64_t started = NowMs();
  StoredOutcome outcome = AwaitOutcome(child_id);
  LimitOutcome(outcome, services_.session.max_payload_bytes());
  journal_->Hold(EncodeRecord(next_step_++, kGetResult, outcome, started, child_id));
  return ValueOfWorkflow(child_id, outcome);
}

// A refusal that the workflow is to blame for is an exception in its code; any other stops the execution, so that a
// protocol error is never recorded as a step.
void Execution::WaitAccepted(const std::shared_ptr<Reply>& reply) {
  journal_->WaitReply(reply);
  const v1::ErrorDetail& refusal = reply->refusal();
  if (refusal.reason() == v1::REASON_UNSPECIFIED) return;
  if (!IsCallersFault(refusal)) journal_->StopRefused(refusal);
  journal_->ThrowIfStopped();
  ThrowProtocolError(refusal.reason(), refusal.message());
}

StoredOutcome Execution::AwaitOutcome(const std::string& child_id) {
  journal_->Flush();
  v1::AwaitFrame frame;
  frame.set_workflow_id(child_id);
  *frame.mutable_execution() = ref_;
  const auto reply = std::make_shared<Reply>();
  services_.session.Send({.kind = FrameKind::kAwait, .body = frame.SerializeAsString(), .owner = reply});
  WaitAccepted(reply);
  return OutcomeOf(reply->awaited());
}

}  // namespace dbos::runtime
