// What the next commit holds, and where its verdicts go.
#include <unordered_set>

#include "sidecar/base/check.h"
#include "sidecar/engine/state.h"

namespace dbos::sidecar {
namespace {

// Fills one Batch within its limits.
class Composer {
 public:
  explicit Composer(Engine::State& state) : state_(state) {}

  Batch Compose() {
    batch_ = std::move(state_.control);
    state_.control = Batch{};
    origins_ = std::move(state_.control_origins);
    state_.control_origins = InFlight{};
    AddExecutions();
    AddStarts();
    AddRecovery();
    origins_.taken = state_.now;
    if (!batch_.empty()) state_.in_flight.push_back(std::move(origins_));
    return std::move(batch_);
  }

 private:
  bool Full() const {
    return operations_ >= state_.options.batch_operations_max || bytes_ >= state_.options.batch_bytes_max;
  }

  void AddExecutions();
  bool AddFirst(Execution& execution);  // false: it has to wait for the next batch
  void AddStep(Execution& execution, Operation operation);
  void AddCompletion(Execution& execution, Operation operation);
  void AddChildStart(Execution& execution, Operation operation);
  void AddStarts();
  void AddStart(PendingStart start);
  void AddRecovery();
  void PlanRunner(PendingStart& start, StartOp& op);
  void Count(std::size_t bytes) {
    ++operations_;
    bytes_ += bytes;
  }

  Engine::State& state_;
  Batch batch_;
  InFlight origins_;
  std::size_t operations_ = 0;
  std::size_t bytes_ = 0;
  std::unordered_set<std::string> starting_;  // workflow ids with a StartOp in this batch
};

// One step of each execution, and its completion if that is what follows: a refused step then refuses what is behind it
// before anything of that was sent to the database.
void Composer::AddExecutions() {
  std::deque<std::string> waiting;
  while (!state_.ready.empty() && !Full()) {
    std::string id = std::move(state_.ready.front());
    state_.ready.pop_front();
    auto found = state_.executions.find(id);
    if (found == state_.executions.end() || !found->second.ready) continue;
    Execution& execution = found->second;
    DBOS_CHECK(!execution.in_batch && !execution.queue.empty());
    if (!AddFirst(execution)) {
      waiting.push_back(std::move(id));
      continue;
    }
    execution.ready = false;
    execution.in_batch = true;
  }
  for (std::string& id : waiting) state_.ready.push_back(std::move(id));
}

bool Composer::AddFirst(Execution& execution) {
  std::vector<Operation>& queue = execution.queue;
  if (const auto* child = std::get_if<StartRequest>(&queue.front().body)) {
    if (starting_.contains(child->workflow_id)) return false;
    AddChildStart(execution, std::move(queue.front()));
    queue.erase(queue.begin());
    return true;
  }
  std::size_t taken = 0;
  if (!queue[taken].is_completion()) AddStep(execution, std::move(queue[taken++]));
  if (taken < queue.size() && queue[taken].is_completion()) AddCompletion(execution, std::move(queue[taken++]));
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(taken));
  return true;
}

void Composer::AddStep(Execution& execution, Operation operation) {
  Count(operation.bytes);
  origins_.steps.push_back({std::move(operation.caller), operation.bytes});
  StepOp op;
  op.execution = execution.ref;
  op.step = std::move(std::get<StepRecord>(operation.body));
  op.outcome_follows = execution.queue.back().is_completion();
  batch_.steps.push_back(std::move(op));
}

void Composer::AddCompletion(Execution& execution, Operation operation) {
  Count(operation.bytes);
  origins_.completions.push_back({std::move(operation.caller), operation.bytes});
  CompletionOp op;
  op.execution = execution.ref;
  op.outcome = std::move(std::get<Outcome>(operation.body));
  if (!batch_.steps.empty() && batch_.steps.back().execution.workflow_id == execution.ref.workflow_id) {
    op.after_step_id = batch_.steps.back().step.step_id;
    op.after_completed_at_ms = batch_.steps.back().step.completed_at_ms;
  }
  batch_.completions.push_back(std::move(op));
}

void Composer::AddChildStart(Execution& execution, Operation operation) {
  PendingStart start{std::move(operation.caller), std::move(std::get<StartRequest>(operation.body)), kNoSession, "",
                     operation.bytes};
  start.request.parent->execution = execution.ref;
  AddStart(std::move(start));
}

void Composer::AddStarts() {
  std::deque<PendingStart> waiting;
  while (!state_.starts.empty() && !Full()) {
    PendingStart start = std::move(state_.starts.front());
    state_.starts.pop_front();
    if (starting_.contains(start.request.workflow_id)) {
      waiting.push_back(std::move(start));
    } else {
      AddStart(std::move(start));
    }
  }
  for (PendingStart& start : waiting) state_.starts.push_back(std::move(start));
}

void Composer::AddStart(PendingStart start) {
  Count(start.bytes);
  starting_.insert(start.request.workflow_id);
  StartOp op;
  op.workflow_id = start.request.workflow_id;
  op.name = start.request.name;
  op.input = std::move(start.request.input);
  op.creator_token = start.request.request_token;
  op.timeout_ms = start.request.timeout_ms;
  op.parent = start.request.parent;
  op.look_first = state_.recover_wanted;
  PlanRunner(start, op);
  origins_.starts.push_back(std::move(start));
  batch_.starts.push_back(std::move(op));
}

// The calling process if it registered the name, else another attached one with credit, else the internal queue.
void Composer::PlanRunner(PendingStart& start, StartOp& op) {
  const Session* caller = state_.FindSession(start.caller.session);
  op.application_version = start.request.application_version;
  if (op.application_version.empty() && caller != nullptr) op.application_version = caller->hello.application_version;
  Session* runner = state_.PickSession(op.name, op.application_version, start.caller.session);
  if (runner == nullptr) {
    op.run = StartOp::Run::kEnqueue;
    op.queue_name = kInternalQueue;
    return;
  }
  ++runner->running;
  start.runner = runner->id;
  op.application_version = runner->hello.application_version;
}

// Everything PENDING of this executor that is not known here is left over from an earlier life. What a batch without an
// answer has written is not known yet: then there is no next batch.
void Composer::AddRecovery() {
  if (!state_.RecoveryIsDue()) return;
  state_.recover_wanted = false;
  RecoverOp op;
  for (const auto& [id, execution] : state_.executions) {
    if (execution.phase != Execution::Phase::kUntracked) op.except.push_back(execution.ref);
  }
  // Also what this batch writes itself, for the case that it has to be committed again.
  for (const AdoptOp& adoption : batch_.adoptions) op.except.push_back(adoption.execution);
  for (const StartOp& start : batch_.starts) op.except.push_back({start.workflow_id, start.creator_token});
  for (const ClaimOp& claim : batch_.claims) {
    for (const std::string& id : claim.workflow_ids) op.except.push_back({id, claim.owner_token});
  }
  batch_.recoveries.push_back(std::move(op));
  origins_.recovers = true;
}

}  // namespace

bool Engine::State::RecoveryIsDue() const {
  return recover_wanted && now >= recover_at;
}

Batch Engine::TakeBatch() {
  // Recovery takes what it does not know: no batch is under way beside one that recovers. Under load there always is
  // one, so the next is not taken before the recovery that is due.
  const std::deque<InFlight>& others = state_->in_flight;
  if (!others.empty() && (state_->RecoveryIsDue() || others.back().recovers)) return {};
  return Composer(*state_).Compose();
}

void Engine::Committed(Batch batch) {
  State& state = *state_;
  DBOS_CHECK(!state.in_flight.empty());
  InFlight origins = std::move(state.in_flight.front());
  state.in_flight.pop_front();
  state.commits_fail = state.reads_fail = false;
  for (std::size_t i = 0; i < batch.versions.size(); ++i)
    state.VersionRegistered(origins.versions[i], batch.versions[i]);
  state.AdoptionsDecided(origins, std::move(batch.adoptions));
  state.ExecutionsCommitted(origins, batch);
  for (const TakeOverOp& op : batch.take_overs) state.TakenOver(op);
  for (std::size_t i = 0; i < batch.hand_backs.size(); ++i) {
    state.HandedBack(batch.hand_backs[i], origins.hand_backs[i]);
  }
  for (std::size_t i = 0; i < batch.claims.size(); ++i) {
    state.Claimed(origins.claims[i], std::move(batch.claims[i]));
  }
  for (std::size_t i = 0; i < batch.cancels.size(); ++i) {
    origins.cancels[i].sink->Acknowledged(origins.cancels[i].seq);
    state.Touch(origins.cancels[i].sink);
    state.CancelSeen(batch.cancels[i].workflow_id);
  }
  for (const ExpireOp& op : batch.expirations) {
    for (const std::string& id : op.expired) state.CancelSeen(id);
  }
  for (const RecoverOp& op : batch.recoveries) state.Recovered(op);
  for (const DeadLetterOp& op : batch.dead_letters) {
    if (op.done) {
      state.Wake(op.execution.workflow_id, WorkflowStatus::kMaxRecoveryAttemptsExceeded, nullptr);
    } else {
      state.outcomes_wanted.push_back(op.execution.workflow_id);  // it ended otherwise
    }
  }
  state.AdvanceDrain();
  state.MaybeClaim();
}

// Steps, completions and starts, then the executions they came from go on: to the next operation, or, when their
// process has gone in the meantime, to another one.
void Engine::State::ExecutionsCommitted(InFlight& origins, Batch& batch) {
  std::vector<std::string> ids;
  auto settle = [&](const std::string& id) {
    auto found = executions.find(id);
    if (found == executions.end() || !found->second.in_batch) return;
    found->second.in_batch = false;
    ids.push_back(id);
  };
  for (const StepOp& op : batch.steps) settle(op.execution.workflow_id);
  for (const CompletionOp& op : batch.completions) settle(op.execution.workflow_id);
  for (const StartOp& op : batch.starts) {
    if (op.parent) settle(op.parent->execution.workflow_id);
  }
  for (std::size_t i = 0; i < batch.steps.size(); ++i) {
    pending_bytes -= origins.steps[i].bytes;
    StepCommitted(origins.steps[i], batch.steps[i]);
  }
  for (std::size_t i = 0; i < batch.completions.size(); ++i) {
    pending_bytes -= origins.completions[i].bytes;
    CompletionCommitted(origins.completions[i], std::move(batch.completions[i]));
  }
  for (std::size_t i = 0; i < batch.starts.size(); ++i) {
    StartCommitted(origins.starts[i], std::move(batch.starts[i]));
  }
  for (const std::string& id : ids) GoOn(id);
}

void Engine::State::GoOn(const std::string& workflow_id) {
  auto found = executions.find(workflow_id);
  if (found == executions.end() || found->second.in_batch) return;
  Execution& execution = found->second;
  if (execution.lost) {
    Move(execution, *execution.lost);
  } else if (!execution.queue.empty() && !execution.ready) {
    execution.ready = true;
    ready.push_back(workflow_id);
  } else if (execution.queue.empty() && execution.release) {
    HandBack(execution, std::exchange(execution.release, {}), AttemptCount::kForgiven);
  } else if (execution.queue.empty() && execution.phase == Execution::Phase::kUntracked) {
    if (execution.refused.ok()) return Forget(workflow_id);
    // The process that has it is not known here, so nobody but the queue can take it.
    HandBack(execution, /*caller=*/std::nullopt, AttemptCount::kCounted);
  }
}

}  // namespace dbos::sidecar
