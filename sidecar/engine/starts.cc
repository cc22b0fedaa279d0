// StartWorkflow: who runs it, what is inserted, and what the caller is told.
#include "sidecar/engine/state.h"

namespace dbos::sidecar {
namespace {

std::string ChildId(const StartOp::Parent& parent) {
  return parent.execution.workflow_id + "-" + std::to_string(parent.step_id);
}

}  // namespace

void Engine::StartWorkflow(SessionId session, std::shared_ptr<ReplySink> sink, std::uint64_t seq,
                           StartRequest request) {
  if (request.request_token.empty()) request.request_token = state_->random_token();
  // A start that is sent again has to find its row: an id of ours follows from what the caller repeats.
  if (request.workflow_id.empty()) {
    request.workflow_id = request.parent ? ChildId(*request.parent) : request.request_token;
  }
  Caller caller{std::move(sink), seq, session};
  if (!request.parent) {
    state_->AddStart(std::move(caller), std::move(request));
    return;
  }
  if (request.parent->completed_at_ms == 0) request.parent->completed_at_ms = state_->wall_ms;
  if (request.parent->started_at_ms == 0) request.parent->started_at_ms = request.parent->completed_at_ms;
  Execution* parent = state_->Admit(caller, request.parent->execution, request.parent->step_id);
  if (parent == nullptr) return;
  const std::size_t bytes = CountedBytes(caller, request.input.data.size());
  state_->Enqueue(*parent, Operation{std::move(caller), bytes, std::move(request)});
}

void Engine::State::AddStart(Caller caller, StartRequest request) {
  if (caller.session == kNoSession && !database_available()) {
    Refuse(caller, Reason::kDatabaseUnavailable, "the database is not available: " + database_error);
    return;
  }
  if (pending_bytes > options.pending_bytes_max) {
    Refuse(caller, Reason::kInflightLimit, "too many bytes wait to be committed; send the start again later");
    return;
  }
  const std::size_t bytes = CountedBytes(caller, request.input.data.size());
  pending_bytes += bytes;
  starts.push_back({std::move(caller), std::move(request), kNoSession, "", bytes});
}

void Engine::State::StartCommitted(const PendingStart& start, StartOp op) {
  pending_bytes -= start.bytes;
  const bool runs = op.error.ok() && op.created && op.status == WorkflowStatus::kPending;
  if (Session* runner = FindSession(start.runner)) {
    runs ? void(--runner->running) : FreeCredit(*runner);  // RunStarted takes it again
  }
  if (!op.error.ok()) {
    start.caller.sink->Refused(start.caller.seq, op.error);
    Touch(start.caller.sink);
    // The child's own conflict is the application's to record; what concerns the parent's execution ends it.
    if (op.parent && op.error.reason != Reason::kWorkflowConflict) {
      BreakOff(op.parent->execution, op.error);
    }
    return;
  }
  start.caller.sink->Started(start.caller.seq, {op.workflow_id, op.status, op.created});
  Touch(start.caller.sink);
  if (op.created && op.status == WorkflowStatus::kEnqueued) Queued();
  if (runs) RunStarted(start, op);
}

// A row that is ours and PENDING under our own token has not run anywhere, unless an earlier life of this sidecar wrote
// it: then a process may have it, which comes back for it or whose work is recovered. After the recovery it is taken
// over, because the old token may be in use.
void Engine::State::RunStarted(const PendingStart& start, StartOp& op) {
  if (op.owner_token != op.creator_token || (op.existed && recover_wanted)) return;
  if (auto found = executions.find(op.workflow_id); found != executions.end()) {
    const bool stranger =
        found->second.phase == Execution::Phase::kUntracked && found->second.ref.owner_token != op.owner_token;
    if (!stranger) return;
    Evict(ExecutionRef(found->second.ref), {Reason::kFenced, "the workflow was started under another token"});
  }
  Session* runner = FindSession(start.runner);
  Execution& execution = executions[op.workflow_id];
  execution.ref = {op.workflow_id, op.owner_token};
  execution.name = op.name;
  execution.application_version = op.application_version;
  execution.recovery_attempts = 1;
  execution.deadline_ms = op.deadline_ms;
  if (op.parent) execution.parent_workflow_id = op.parent->execution.workflow_id;
  if (runner == nullptr || op.existed) {
    Move(execution, AttemptCount::kCounted);
    return;
  }
  execution.session = runner->id;
  ++runner->running;
  if (runner->sink->WaitingBytes() <= kStreamBytesAhead) {
    return Dispatch(execution, *runner, std::move(op.input), {}, true);
  }
  execution.phase = Execution::Phase::kLoading;
  LoadReplay(execution, -1);
}

}  // namespace dbos::sidecar
