// AwaitWorkflow: who waits for which workflow. A local end wakes at once; everything else is found by one query a
// second for all of them together.
#include <algorithm>

#include "sidecar/base/check.h"
#include "sidecar/engine/state.h"

namespace dbos::sidecar {

void Engine::AwaitWorkflow(SessionId session, std::shared_ptr<ReplySink> sink, std::uint64_t seq,
                           AwaitRequest request) {
  State& state = *state_;
  Caller caller{std::move(sink), seq, session};
  if (state.waiter_count >= state.options.waiters_max) {
    state.Refuse(caller, Reason::kInflightLimit,
                 "too many waiting calls: at most " + std::to_string(state.options.waiters_max));
    return;
  }
  Waiter waiter{std::move(caller), std::nullopt, std::move(request.execution)};
  if (request.timeout_ms > 0) {
    const absl::Time deadline = state.now + absl::Milliseconds(request.timeout_ms);
    waiter.deadline = state.waiter_deadlines.emplace(deadline, request.workflow_id);
  }
  state.waiting_calls[{waiter.caller.sink.get(), seq}] = request.workflow_id;
  if (waiter.execution) state.BeginWait(*waiter.execution);
  if (!state.RunsHere(request.workflow_id)) state.outcomes_wanted.push_back(request.workflow_id);
  state.waiters[std::move(request.workflow_id)].push_back(std::move(waiter));
  ++state.waiter_count;
}

void Engine::AbandonAwait(const std::shared_ptr<ReplySink>& sink, std::uint64_t seq) {
  State& state = *state_;
  const auto call = state.waiting_calls.find({sink.get(), seq});
  if (call == state.waiting_calls.end()) return;
  const auto entry = state.waiters.find(call->second);
  DBOS_CHECK(entry != state.waiters.end());
  std::vector<Waiter>& list = entry->second;
  const auto found = std::find_if(list.begin(), list.end(), [&](const Waiter& waiter) {
    return waiter.caller.sink == sink && waiter.caller.seq == seq;
  });
  DBOS_CHECK(found != list.end());
  state.StopWaiting(*found);
  list.erase(found);
  if (list.empty()) state.waiters.erase(entry);
}

bool Engine::State::RunsHere(const std::string& workflow_id) const {
  auto found = executions.find(workflow_id);
  return found != executions.end() && found->second.phase != Execution::Phase::kUntracked;
}

// A waiting execution gives its credit back: otherwise parents that await children could hold all of it.
void Engine::State::BeginWait(const ExecutionRef& ref) {
  auto found = executions.find(ref.workflow_id);
  if (found == executions.end() || found->second.ref.owner_token != ref.owner_token) return;
  Session* session = FindSession(found->second.session);
  if (session != nullptr && found->second.awaiting++ == 0) {
    FreeCredit(*session);
    MaybeClaim();
  }
}

void Engine::State::StopWaiting(const Waiter& waiter) {
  --waiter_count;
  waiting_calls.erase({waiter.caller.sink.get(), waiter.caller.seq});
  if (waiter.deadline) waiter_deadlines.erase(*waiter.deadline);
  if (!waiter.execution) return;
  auto found = executions.find(waiter.execution->workflow_id);
  if (found == executions.end() || found->second.ref.owner_token != waiter.execution->owner_token) return;
  Session* session = FindSession(found->second.session);
  if (session != nullptr && found->second.awaiting > 0 && --found->second.awaiting == 0) ++session->running;
}

void Engine::State::Wake(const std::string& workflow_id, WorkflowStatus status, const Outcome* outcome) {
  auto found = waiters.find(workflow_id);
  if (found == waiters.end()) return;
  std::vector<Waiter> woken = std::move(found->second);
  waiters.erase(found);
  for (const Waiter& waiter : woken) {
    AwaitResult result{workflow_id, status, std::nullopt};
    if (outcome != nullptr) result.outcome = *outcome;
    waiter.caller.sink->Awaited(waiter.caller.seq, std::move(result));
    Touch(waiter.caller.sink);
    StopWaiting(waiter);
  }
}

void Engine::State::OutcomesRead(std::vector<WorkflowRecord> records) {
  reading_outcomes = false;
  for (WorkflowRecord& record : records) {
    if (IsTerminal(record.status)) {
      Wake(record.workflow_id, record.status, record.outcome ? &*record.outcome : nullptr);
    }
  }
}

void Engine::State::DropWaiters(SessionId session) {
  for (auto entry = waiters.begin(); entry != waiters.end();) {
    std::erase_if(entry->second, [&](const Waiter& waiter) {
      if (waiter.caller.session != session) return false;
      StopWaiting(waiter);
      return true;
    });
    entry = entry->second.empty() ? waiters.erase(entry) : std::next(entry);
  }
}

void Engine::State::PollWaiters() {
  if (reading_outcomes) return;
  for (const auto& [id, list] : waiters) {
    if (!RunsHere(id)) outcomes_wanted.push_back(id);
  }
}

void Engine::State::ExpireWaiters() {
  while (!waiter_deadlines.empty() && waiter_deadlines.begin()->first <= now) {
    const std::string id = waiter_deadlines.begin()->second;
    const auto entry = waiters.find(id);
    DBOS_CHECK(entry != waiters.end());
    std::erase_if(entry->second, [&](const Waiter& waiter) {
      if (!waiter.deadline || (*waiter.deadline)->first > now) return false;
      waiter.caller.sink->Awaited(waiter.caller.seq, {id, WorkflowStatus::kUnknown, std::nullopt});
      Touch(waiter.caller.sink);
      StopWaiting(waiter);
      return true;
    });
    if (entry->second.empty()) waiters.erase(entry);
  }
}

}  // namespace dbos::sidecar
