// AwaitWorkflow: who waits for which workflow. A local end wakes at once; everything else is found by one query a
// second for all of them together.
#include <algorithm>

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
  Waiter waiter{std::move(caller), absl::InfiniteFuture(), std::move(request.execution)};
  if (request.timeout_ms > 0) {
    waiter.deadline = state.now + absl::Milliseconds(request.timeout_ms);
    state.waiter_deadlines.emplace(waiter.deadline, request.workflow_id);
  }
  if (waiter.execution) state.BeginWait(*waiter.execution);
  if (!state.RunsHere(request.workflow_id)) state.outcomes_wanted.push_back(request.workflow_id);
  state.waiters[std::move(request.workflow_id)].push_back(std::move(waiter));
  ++state.waiter_count;
}

void Engine::AbandonAwait(const std::shared_ptr<ReplySink>& sink, std::uint64_t seq) {
  State& state = *state_;
  for (auto entry = state.waiters.begin(); entry != state.waiters.end(); ++entry) {
    auto& list = entry->second;
    auto found = std::find_if(list.begin(), list.end(), [&](const Waiter& waiter) {
      return waiter.caller.sink == sink && waiter.caller.seq == seq;
    });
    if (found == list.end()) continue;
    state.StopWaiting(*found);
    list.erase(found);
    if (list.empty()) state.waiters.erase(entry);
    return;
  }
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
    const std::string id = std::move(waiter_deadlines.begin()->second);
    waiter_deadlines.erase(waiter_deadlines.begin());
    auto found = waiters.find(id);
    if (found == waiters.end()) continue;
    std::vector<Waiter>& list = found->second;
    for (std::size_t i = list.size(); i-- > 0;) {
      if (list[i].deadline > now) continue;
      list[i].caller.sink->Awaited(list[i].caller.seq, {id, WorkflowStatus::kUnknown, std::nullopt});
      Touch(list[i].caller.sink);
      StopWaiting(list[i]);
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (list.empty()) waiters.erase(found);
  }
}

}  // namespace dbos::sidecar
