// RecordStep and CompleteWorkflow: the operations of one execution, in the order they came.
#include <algorithm>

#include "sidecar/base/check.h"
#include "sidecar/base/logging.h"
#include "sidecar/engine/state.h"

namespace dbos::sidecar {
namespace {

std::size_t Size(const std::optional<Outcome>& outcome) {
  return outcome ? outcome->payload.data.size() : 0;
}

// Another execution has the workflow, or none can have it any more.
bool OwnershipLost(Reason reason) {
  return reason == Reason::kFenced || reason == Reason::kWorkflowCancelled || reason == Reason::kWorkflowTerminal ||
         reason == Reason::kWorkflowNotFound;
}

std::string OwnedElsewhere(const ExecutionRef& ref) {
  return "workflow " + ref.workflow_id + " is owned by another execution now";
}
std::string Released(const ExecutionRef& ref) {
  return "this execution of workflow " + ref.workflow_id + " was released";
}
std::string Preceding(const Error& first) {
  return "an earlier operation of this execution was refused: " + first.message;
}

}  // namespace

void Engine::RecordStep(SessionId session, std::shared_ptr<ReplySink> sink, std::uint64_t seq,
                        RecordStepRequest request) {
  Caller caller{std::move(sink), seq, session};
  Execution* execution = state_->Admit(caller, request.execution, request.step.step_id);
  if (execution == nullptr) return;
  if (request.step.completed_at_ms == 0) request.step.completed_at_ms = state_->wall_ms;
  if (request.step.started_at_ms == 0) request.step.started_at_ms = request.step.completed_at_ms;
  const std::size_t bytes = CountedBytes(caller, Size(request.step.outcome));
  state_->Enqueue(*execution, Operation{std::move(caller), bytes, std::move(request.step)});
}

void Engine::CompleteWorkflow(SessionId session, std::shared_ptr<ReplySink> sink, std::uint64_t seq,
                              CompleteRequest request) {
  Caller caller{std::move(sink), seq, session};
  const bool is_failure = request.outcome.kind == Outcome::Kind::kError;
  Execution* execution = state_->Admit(caller, request.execution, kOutcomePosition, is_failure);
  if (execution == nullptr) return;
  const std::size_t bytes = CountedBytes(caller, request.outcome.payload.data.size());
  state_->Enqueue(*execution, Operation{std::move(caller), bytes, std::move(request.outcome)});
}

void Engine::RefuseExecution(SessionId session, const ExecutionRef& ref, Error why) {
  Execution& execution = state_->Entry(ref, session);
  if (execution.ref.owner_token != ref.owner_token || execution.phase == Execution::Phase::kMoving) return;
  if (execution.refused.ok()) execution.refused = std::move(why);
  state_->GoOn(ref.workflow_id);
}

void Engine::NoRoomFor(SessionId session, const ExecutionRef& ref, std::int32_t step_id) {
  state_->NoRoomFor(session, ref, step_id);
}

ExecutionStanding Engine::StandingOf(const ExecutionRef& ref) const {
  const auto found = state_->executions.find(ref.workflow_id);
  if (found == state_->executions.end()) return {};
  const Execution& execution = found->second;
  if (execution.ref.owner_token != ref.owner_token || execution.phase == Execution::Phase::kMoving) {
    return {{Reason::kFenced, OwnedElsewhere(ref)}};
  }
  if (execution.release) return {{Reason::kFenced, Released(ref)}};
  if (!execution.refused.ok()) return {{Reason::kPrecedingOperationFailed, Preceding(execution.refused)}};
  return {{}, execution.recovery_attempts <= 1};
}

// Only a stream that is still attached has an order: unary calls have none, and what an old stream brings late has come
// on the new one already.
void Engine::State::NoRoomFor(SessionId session, const ExecutionRef& ref, std::int32_t position) {
  auto found = executions.find(ref.workflow_id);
  if (found == executions.end() || found->second.ref.owner_token != ref.owner_token) return;
  if (FindSession(session) == nullptr) return;
  found->second.no_room_for = std::min(found->second.no_room_for, position);
}

Execution& Engine::State::Entry(const ExecutionRef& ref, SessionId session) {
  auto [entry, inserted] = executions.try_emplace(ref.workflow_id);
  Execution& execution = entry->second;
  if (!inserted) return execution;
  execution.ref = ref;
  execution.phase = Execution::Phase::kUntracked;
  execution.session = session;
  ++untracked;
  return execution;
}

// The entry that the operation belongs to, or nullptr after refusing it.
Execution* Engine::State::Admit(const Caller& caller, const ExecutionRef& ref, std::int32_t position, bool is_failure) {
  if (caller.session == kNoSession && !database_available()) {
    Refuse(caller, Reason::kDatabaseUnavailable, "the database is not available: " + database_error);
    return nullptr;
  }
  if (pending_bytes > options.pending_bytes_max) {
    NoRoomFor(caller.session, ref, position);
    Refuse(caller, Reason::kInflightLimit, "too many bytes wait to be committed; send the operation again later");
    return nullptr;
  }
  Execution& execution = Entry(ref, caller.session);
  if (execution.ref.owner_token != ref.owner_token || execution.phase == Execution::Phase::kMoving) {
    Refuse(caller, Reason::kFenced, OwnedElsewhere(ref));
    return nullptr;
  }
  if (execution.release) {
    Refuse(caller, Reason::kFenced, Released(ref));
    return nullptr;
  }
  if (!execution.refused.ok() && !is_failure) {
    Refuse(caller, Reason::kPrecedingOperationFailed, Preceding(execution.refused));
    return nullptr;
  }
  if (execution.queue.size() >= options.execution_operations_max) {
    NoRoomFor(caller.session, ref, position);
    Refuse(caller, Reason::kInflightLimit,
           "too many operations of one execution wait to be committed: at most " +
               std::to_string(options.execution_operations_max) + "; wait for answers and send this one again");
    return nullptr;
  }
  if (position > execution.no_room_for && !is_failure) {
    Refuse(caller, Reason::kInflightLimit,
           "step " + std::to_string(execution.no_room_for) + " of this execution was refused for want of room; send " +
               "that again first");
    return nullptr;
  }
  if (position == execution.no_room_for) execution.no_room_for = kOutcomePosition;
  return &execution;
}

void Engine::State::Enqueue(Execution& execution, Operation operation) {
  pending_bytes += operation.bytes;
  execution.queue.push_back(std::move(operation));
  if (execution.in_batch || execution.ready) return;
  execution.ready = true;
  ready.push_back(execution.ref.workflow_id);
}

void Engine::State::StepCommitted(const StepOrigin& origin, const StepOp& op) {
  if (op.stored && origin.caller.sink->RecordedBefore(origin.caller.seq, *op.stored)) {
    Touch(origin.caller.sink);
    return;
  }
  if (!op.error.ok()) {
    origin.caller.sink->Refused(origin.caller.seq, op.error);
    Touch(origin.caller.sink);
    BreakOff(op.execution, op.error);
    return;
  }
  origin.caller.sink->Acknowledged(origin.caller.seq);
  Touch(origin.caller.sink);
}

void Engine::State::CompletionCommitted(const StepOrigin& origin, CompletionOp op) {
  const std::string workflow_id = op.execution.workflow_id;
  if (op.error.ok()) {
    origin.caller.sink->Acknowledged(origin.caller.seq);
    Touch(origin.caller.sink);
    Wake(workflow_id, op.status, &op.outcome);
    End(op.execution);
    return;
  }
  // Its step was there already under another time stamp: the condition on the stamp failed, the step did not. If the
  // step was refused, an error outcome does without it.
  auto found = executions.find(workflow_id);
  if (op.error.reason == Reason::kPrecedingOperationFailed && op.after_step_id && found != executions.end() &&
      found->second.ref.owner_token == op.execution.owner_token &&
      (found->second.refused.ok() || op.outcome.kind == Outcome::Kind::kError)) {
    Enqueue(found->second, Operation{origin.caller, origin.bytes, std::move(op.outcome)});
    return;
  }
  origin.caller.sink->Refused(origin.caller.seq, op.error);
  Touch(origin.caller.sink);
  if (op.error.reason == Reason::kWorkflowTerminal) Wake(workflow_id, op.status, op.stored ? &*op.stored : nullptr);
  BreakOff(op.execution, op.error);
}

// If the ownership went with the refusal, the execution is over here. Otherwise it stays, for its row is PENDING and
// somebody has to run it or hand it back; but what was refused is missing, so nothing may be recorded behind it.
void Engine::State::BreakOff(const ExecutionRef& ref, const Error& why) {
  if (OwnershipLost(why.reason)) return Evict(ref, why);
  auto found = executions.find(ref.workflow_id);
  if (found == executions.end() || found->second.ref.owner_token != ref.owner_token) return;
  Execution& execution = found->second;
  if (execution.refused.ok()) execution.refused = why;
  Log(LogLevel::kWarning, "an operation was refused: the workflow can only end in an error",
      {{"workflow_id", ref.workflow_id}, {"why", why.message}});
  std::erase_if(execution.queue, [&](const Operation& operation) {
    if (operation.is_failure()) return false;
    Refuse(operation.caller, Reason::kPrecedingOperationFailed, Preceding(why));
    pending_bytes -= operation.bytes;
    return true;
  });
  if (execution.queue.empty()) execution.ready = false;
}

// What is still queued, its caller has sent again without waiting for the answer: the database knows it by its bytes.
void Engine::State::End(const ExecutionRef& ref) {
  auto found = executions.find(ref.workflow_id);
  if (found == executions.end() || found->second.ref.owner_token != ref.owner_token) return;
  Execution& execution = found->second;
  if (execution.queue.empty()) return Evict(ref, {Reason::kWorkflowTerminal, "the workflow has ended"});
  ReleaseCredit(execution);
  if (execution.phase != Execution::Phase::kUntracked) ++untracked;
  execution.phase = Execution::Phase::kUntracked;
  execution.lost.reset();
}

void Engine::State::Evict(const ExecutionRef& ref, const Error& why) {
  auto found = executions.find(ref.workflow_id);
  if (found == executions.end() || found->second.ref.owner_token != ref.owner_token) return;
  for (const Operation& operation : found->second.queue) {
    Refuse(operation.caller, Reason::kPrecedingOperationFailed, Preceding(why));
    pending_bytes -= operation.bytes;
  }
  found->second.queue.clear();
  if (found->second.release) Refuse(*found->second.release, why.reason, why.message);
  Forget(ref.workflow_id);
}

void Engine::State::Forget(const std::string& workflow_id) {
  auto found = executions.find(workflow_id);
  if (found == executions.end()) return;
  DBOS_CHECK(found->second.queue.empty());
  if (found->second.phase == Execution::Phase::kUntracked) --untracked;
  ReleaseCredit(found->second);
  executions.erase(found);  // `ready` may still name it; TakeBatch skips what it does not find
}

void Engine::State::Refuse(const Caller& caller, Reason reason, std::string message) {
  caller.sink->Refused(caller.seq, {reason, std::move(message)});
  Touch(caller.sink);
}

}  // namespace dbos::sidecar
