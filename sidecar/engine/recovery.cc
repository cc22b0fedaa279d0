// Executions whose process or sidecar went away: to another process, or back to the queue. Cancellation and drain.
#include <algorithm>

#include "sidecar/base/check.h"
#include "sidecar/base/logging.h"
#include "sidecar/engine/state.h"

namespace dbos::sidecar {
namespace {

// A cancel seen twice is harmless, one missed is found by the database's fence; the overlap covers clock reads.
constexpr std::int64_t kCancelOverlapMs = 2000;

}  // namespace

void Engine::State::Leave(Execution& execution, AttemptCount attempt) {
  if (execution.in_batch) {
    execution.lost = attempt;
  } else {
    Move(execution, attempt);
  }
}

// Fenced first, dispatched afterwards: the new token is durable before anybody else runs.
void Engine::State::Move(Execution& execution, AttemptCount attempt) {
  DBOS_CHECK(!execution.in_batch);
  execution.lost.reset();
  const Error gone{Reason::kDisconnected, "the process that ran this execution has gone"};
  for (const Operation& operation : execution.queue) {
    Refuse(operation.caller, gone.reason, gone.message);
    pending_bytes -= operation.bytes;
  }
  execution.queue.clear();
  execution.ready = false;
  execution.refused = {};
  execution.no_room_for = kOutcomePosition;
  execution.awaiting = 0;
  if (execution.release) return HandBack(execution, std::exchange(execution.release, {}), AttemptCount::kForgiven);
  Session* session = PickSession(execution.name, execution.application_version, kNoSession);
  if (session == nullptr) return HandBack(execution, /*caller=*/std::nullopt, attempt);
  execution.phase = Execution::Phase::kMoving;
  execution.session = session->id;
  ++session->running;
  control.take_overs.push_back({execution.ref, random_token(), attempt == AttemptCount::kCounted});
}

void Engine::State::HandBack(Execution& execution, std::optional<Caller> caller, AttemptCount attempt) {
  ReleaseCredit(execution);
  if (execution.phase == Execution::Phase::kUntracked) --untracked;
  execution.phase = Execution::Phase::kMoving;
  control.hand_backs.push_back({execution.ref, attempt == AttemptCount::kCounted, false});
  control_origins.hand_backs.push_back({std::move(caller)});
}

void Engine::State::TakenOver(const TakeOverOp& op) {
  const std::string& id = op.execution.workflow_id;
  auto found = executions.find(id);
  if (found == executions.end()) return;
  Execution& execution = found->second;
  if (!op.taken) {
    outcomes_wanted.push_back(id);
    Forget(id);
    return;
  }
  execution.ref.owner_token = op.new_token;
  execution.recovery_attempts = op.recovery_attempts;
  Log(LogLevel::kInfo, "workflow moved to another process",
      {{"workflow_id", id}, {"attempts", std::to_string(op.recovery_attempts)}});
  Session* session = FindSession(execution.session);
  if (session == nullptr) {
    Move(execution, AttemptCount::kForgiven);
  } else if (!DeadLetterIfExhausted(execution, *session)) {
    execution.phase = Execution::Phase::kLoading;
    LoadReplay(execution, -1);
  }
}

void Engine::State::HandedBack(const HandBackOp& op, const ReleaseOrigin& origin) {
  if (origin.caller) {
    origin.caller->sink->Acknowledged(origin.caller->seq);
    Touch(origin.caller->sink);
  }
  Forget(op.execution.workflow_id);
  if (!op.handed_back) return;
  Queued();
  Log(LogLevel::kInfo, "workflow handed back to the queue", {{"workflow_id", op.execution.workflow_id}});
}

bool Engine::State::DeadLetterIfExhausted(Execution& execution, const Session& session) {
  auto limit = session.workflows.find(execution.name);
  const std::int64_t allowed = limit == session.workflows.end() ? kDefaultMaxRecoveryAttempts : limit->second;
  if (execution.recovery_attempts <= allowed + 1) return false;
  Log(LogLevel::kError, "workflow has used up its recovery attempts",
      {{"workflow_id", execution.ref.workflow_id}, {"attempts", std::to_string(execution.recovery_attempts)}});
  control.dead_letters.push_back({execution.ref, false});
  Evict(ExecutionRef(execution.ref), {Reason::kAttemptsExceeded, "the workflow has used up its recovery attempts"});
  return true;
}

void Engine::ReleaseExecution(std::shared_ptr<ReplySink> sink, std::uint64_t seq, const ExecutionRef& execution) {
  State& state = *state_;
  Caller caller{std::move(sink), seq, kNoSession};
  auto found = state.executions.find(execution.workflow_id);
  const bool known = found != state.executions.end() && found->second.ref.owner_token == execution.owner_token;
  if (!known || found->second.phase == Execution::Phase::kMoving) {
    state.Refuse(caller, Reason::kFenced, "workflow " + execution.workflow_id + " is not held by this execution");
    return;
  }
  if (found->second.release) {
    state.Refuse(caller, Reason::kFenced, "workflow " + execution.workflow_id + " is being released already");
    return;
  }
  found->second.release = std::move(caller);
  state.GoOn(execution.workflow_id);  // at once, or when what was asked before has its verdict
}

void Engine::CancelWorkflow(std::shared_ptr<ReplySink> sink, std::uint64_t seq, std::string workflow_id) {
  Caller caller{std::move(sink), seq, kNoSession};
  if (!state_->database_available()) {
    state_->Refuse(caller, Reason::kDatabaseUnavailable, "the database is not available: " + state_->database_error);
    return;
  }
  if (state_->control.cancels.size() >= state_->options.cancels_max) {
    state_->Refuse(caller, Reason::kInflightLimit,
                   "too many cancels wait to be committed: at most " + std::to_string(state_->options.cancels_max) +
                       "; send this one again later");
    return;
  }
  state_->control.cancels.push_back({std::move(workflow_id)});
  state_->control_origins.cancels.push_back(std::move(caller));
}

void Engine::State::CancelSeen(const std::string& workflow_id) {
  if (waiters.contains(workflow_id)) outcomes_wanted.push_back(workflow_id);
  auto found = executions.find(workflow_id);
  if (found == executions.end()) return;
  Log(LogLevel::kInfo, "workflow cancelled", {{"workflow_id", workflow_id}});
  if (Session* session = FindSession(found->second.session)) {
    session->sink->Cancelled(found->second.ref, "the workflow was cancelled");
    Touch(session->sink);
  }
  Evict(ExecutionRef(found->second.ref), {Reason::kWorkflowCancelled, "workflow " + workflow_id + " was cancelled"});
}

void Engine::State::Recovered(const RecoverOp& op) {
  if (op.recovered.empty()) return;
  Queued();
  Log(LogLevel::kInfo, "workflows of an earlier life recovered", {{"workflows", std::to_string(op.recovered.size())}});
  for (const std::string& id : op.recovered) Log(LogLevel::kDebug, "workflow recovered", {{"workflow_id", id}});
}

void Engine::State::ProbeAnswered(const Due& due) {
  probing = false;
  probed_ms = std::max(probed_ms, due.now_ms - kCancelOverlapMs);
  if (due.claimable) claim_wanted = true;
  if (due.expired) control.expirations.emplace_back();
  for (const std::string& id : due.cancelled) CancelSeen(id);
}

// What a lost connection left behind, once its process had its time to come back.
void Engine::State::MoveDetached() {
  if (now < next_detached) return;
  next_detached = absl::InfiniteFuture();
  std::vector<std::string> overdue;
  for (auto& [id, execution] : executions) {
    if (execution.phase != Execution::Phase::kDetached) continue;
    if (ComesBack(execution.incarnation)) execution.detached_until = now + options.reattach_grace;
    if (execution.detached_until <= now) {
      overdue.push_back(id);
    } else {
      next_detached = std::min(next_detached, execution.detached_until);
    }
  }
  for (const std::string& id : overdue) Leave(executions.at(id), AttemptCount::kCounted);
}

void Engine::Drain(absl::Duration finish_within) {
  State& state = *state_;
  const absl::Time until = state.now + finish_within;
  if (state.draining && until >= state.drain_until) return;
  state.draining = true;
  state.drain_until = until;
  for (auto& [id, session] : state.sessions) {
    session.sink->Drain(absl::ToInt64Milliseconds(finish_within));
    state.Touch(session.sink);
  }
  state.AdvanceDrain();
}

// When the time is over, what still runs is handed back; when nothing is left, the sessions end.
void Engine::State::AdvanceDrain() {
  if (!draining) return;
  const Error draining_now{Reason::kDraining, "the sidecar is shutting down; the workflow goes on elsewhere"};
  if (now >= drain_until) {
    std::vector<std::string> left;
    for (const auto& [id, execution] : executions) {
      if (!execution.in_batch && execution.phase != Execution::Phase::kMoving) left.push_back(id);
    }
    for (const std::string& id : left) {
      Execution& execution = executions.at(id);
      if (execution.phase == Execution::Phase::kUntracked || !execution.queue.empty()) continue;
      if (Session* session = FindSession(execution.session)) {
        session->sink->Evicted(execution.ref, draining_now);
        Touch(session->sink);
      }
      HandBack(execution, std::nullopt, AttemptCount::kForgiven);
    }
  }
  if (!executions.empty() || !starts.empty() || !in_flight.empty() || !control.empty()) return;
  for (auto& [id, session] : sessions) {
    session.sink->Fatal(draining_now);
    ended.push_back(session.sink);
    Touch(session.sink);
  }
  sessions.clear();
}

bool Engine::Drained() const {
  return state_->draining && state_->executions.empty() && state_->sessions.empty() && state_->starts.empty() &&
         state_->in_flight.empty() && state_->control.empty();
}

}  // namespace dbos::sidecar
