// Claims: ENQUEUED rows of the internal queue become executions of an attached process; dispatch with replay.
#include <algorithm>

#include "sidecar/engine/state.h"

namespace dbos::sidecar {
namespace {

constexpr std::int32_t kClaimMax = 500;       // rows of one claim
constexpr std::size_t kReplayReadMax = 200;   // workflows of one replay read
constexpr std::size_t kFrameBytes = 1 << 20;  // of values that a frame carries together; one value may be larger

std::size_t Size(const StepRecord& step) {
  return 128 + step.name.size() + step.child_workflow_id.size() +
         (step.outcome ? step.outcome->payload.data.size() : 0);
}

// The steps from `next` on that fit into `room`, but at least `least` of them.
std::vector<StepRecord> TakePage(std::vector<StepRecord>& steps, std::size_t& next, std::size_t room,
                                 std::size_t least) {
  std::vector<StepRecord> page;
  for (std::size_t bytes = 0; next < steps.size(); ++next) {
    bytes += Size(steps[next]);
    if (bytes > room && page.size() >= least) break;
    page.push_back(std::move(steps[next]));
  }
  return page;
}

}  // namespace

// Asks for claimable rows for each version that has a process with credit, when something may be there. One claim of a
// version is under way at a time.
void Engine::State::MaybeClaim() {
  if (!claim_wanted || draining) return;
  std::map<std::string, ClaimFilter> filters;
  claim_starved = false;
  for (const auto& [id, session] : sessions) {
    if (!session.welcomed || session.draining || session.workflows.empty()) continue;
    const std::int64_t room = static_cast<std::int64_t>(session.credit) - session.running;
    if (room <= 0) {
      claim_starved = true;  // it asks again when it has room
      continue;
    }
    ClaimFilter& filter = filters[session.hello.application_version];
    filter.version = session.hello.application_version;
    filter.limit = static_cast<std::int32_t>(std::min<std::int64_t>(filter.limit + room, kClaimMax));
    for (const auto& [name, attempts] : session.workflows) filter.names.push_back(name);
  }
  bool asked_all = true;
  for (auto& [version, filter] : filters) {
    if (claiming.contains(version)) {
      asked_all = false;
      continue;
    }
    std::sort(filter.names.begin(), filter.names.end());
    filter.names.erase(std::unique(filter.names.begin(), filter.names.end()), filter.names.end());
    claiming.insert(version);
    reads.push_back(FindClaimableRead{std::move(filter)});
  }
  if (asked_all) claim_wanted = false;
}

void Engine::State::ClaimableFound(const FindClaimableRead& read, std::vector<std::string> ids) {
  if (static_cast<std::int32_t>(ids.size()) >= read.filter.limit) claim_wanted = true;
  std::erase_if(ids, [&](const std::string& id) { return executions.contains(id); });
  if (ids.empty() || draining) {
    claiming.erase(read.filter.version);
    return;
  }
  ClaimOp claim;
  claim.workflow_ids = std::move(ids);
  claim.owner_token = random_token();
  claim.application_version = read.filter.version;
  control.claims.push_back(std::move(claim));
}

void Engine::State::Claimed(ClaimOp op) {
  claiming.erase(op.application_version);
  for (WorkflowRecord& row : op.claimed) {
    auto [entry, inserted] = executions.try_emplace(row.workflow_id);
    if (!inserted) {  // an operation of an older execution is passing through; it will be fenced
      Evict(ExecutionRef(entry->second.ref), {Reason::kFenced, "the workflow was claimed anew"});
      entry = executions.try_emplace(row.workflow_id).first;
    }
    Execution& execution = entry->second;
    execution.ref = {row.workflow_id, op.owner_token};
    execution.phase = Execution::Phase::kLoading;
    execution.name = std::move(row.name);
    execution.application_version = op.application_version;
    execution.parent_workflow_id = std::move(row.parent_workflow_id);
    execution.recovery_attempts = row.recovery_attempts;
    execution.deadline_ms = row.deadline_ms;
    Session* session = PickSession(execution.name, op.application_version, kNoSession);
    if (session == nullptr) {
      HandBack(execution, /*caller=*/std::nullopt, AttemptCount::kForgiven);
      claim_wanted = true;
    } else if (!DeadLetterIfExhausted(execution, *session)) {
      execution.session = session->id;
      ++session->running;
      LoadReplay(execution, -1);
    }
  }
}

std::vector<ReadRequest> Engine::TakeReads() {
  State& state = *state_;
  if (!state.replays_to_load.requests.empty()) {
    state.reads.push_back(std::exchange(state.replays_to_load, LoadReplayRead{}));
  }
  if (!state.outcomes_wanted.empty() && !state.reading_outcomes) {
    state.reading_outcomes = true;
    state.reads.push_back(ReadOutcomesRead{std::exchange(state.outcomes_wanted, {})});
  }
  return std::exchange(state.reads, {});
}

void Engine::State::LoadReplay(const Execution& execution, std::int32_t after_step_id) {
  replays_to_load.requests.push_back({execution.ref.workflow_id, after_step_id});
  replays_to_load.owner_tokens.push_back(execution.ref.owner_token);
  if (replays_to_load.requests.size() >= kReplayReadMax) {
    reads.push_back(std::exchange(replays_to_load, LoadReplayRead{}));
  }
}

void Engine::State::ReplayLoaded(const LoadReplayRead& read, std::vector<Replay> replays) {
  std::unordered_map<std::string, Replay*> by_id;
  for (Replay& replay : replays) by_id[replay.workflow_id] = &replay;
  for (std::size_t i = 0; i < read.requests.size(); ++i) {
    const std::string& id = read.requests[i].workflow_id;
    auto found = executions.find(id);
    if (found == executions.end() || found->second.ref.owner_token != read.owner_tokens[i]) continue;
    if (auto page = by_id.find(id); page != by_id.end()) {
      PageLoaded(found->second, read.requests[i].after_step_id, std::move(*page->second));
    } else {
      Evict(ExecutionRef(found->second.ref), {Reason::kWorkflowNotFound, "workflow " + id + " was deleted"});
    }
  }
}

// The first page dispatches; further pages follow on the same stream until the last. A page that is too much for one
// frame, together with the input, is sent in several.
void Engine::State::PageLoaded(Execution& execution, std::int32_t after_step_id, Replay replay) {
  Session* session = FindSession(execution.session);
  if (session == nullptr) return;  // LoseSession has seen to it
  const bool first = execution.phase == Execution::Phase::kLoading && after_step_id < 0;
  if (!first && execution.phase != Execution::Phase::kRunning) return;
  std::vector<StepRecord>& steps = replay.steps;
  if (!replay.complete && !steps.empty()) LoadReplay(execution, steps.back().step_id);
  execution.replaying = !replay.complete;
  std::size_t next = 0;
  if (first) {
    Payload input = replay.input.value_or(Payload{});
    const std::size_t room = kFrameBytes - std::min(kFrameBytes, input.data.size());
    std::vector<StepRecord> page = TakePage(steps, next, room, /*least=*/0);
    execution.phase = Execution::Phase::kRunning;
    if (!page.empty()) after_step_id = page.back().step_id;
    Dispatch(execution, *session, std::move(input), std::move(page), replay.complete && next == steps.size());
    if (next == steps.size()) return;
  }
  do {
    std::vector<StepRecord> page = TakePage(steps, next, kFrameBytes, /*least=*/1);
    const std::int32_t last_step_id = page.empty() ? after_step_id : page.back().step_id;
    session->sink->Replayed({execution.ref, std::move(page), replay.complete && next == steps.size(), after_step_id});
    after_step_id = last_step_id;
  } while (next < steps.size());
  Touch(session->sink);
}

void Engine::State::Dispatch(Execution& execution, Session& session, Payload input, std::vector<StepRecord> steps,
                             bool complete) {
  dbos::sidecar::Dispatch dispatch;
  dispatch.execution = execution.ref;
  dispatch.name = execution.name;
  dispatch.input = std::move(input);
  dispatch.recovery_attempts = execution.recovery_attempts;
  dispatch.deadline_ms = execution.deadline_ms;
  dispatch.parent_workflow_id = execution.parent_workflow_id;
  dispatch.application_version = execution.application_version;
  dispatch.replay = std::move(steps);
  dispatch.replay_complete = complete;
  session.sink->Dispatched(std::move(dispatch));
  Touch(session.sink);
}

// The execution no longer counts against its session.
void Engine::State::ReleaseCredit(Execution& execution) {
  Session* session = FindSession(execution.session);
  execution.session = kNoSession;
  if (session == nullptr || execution.phase == Execution::Phase::kUntracked || execution.awaiting > 0) return;
  FreeCredit(*session);
}

void Engine::State::FreeCredit(Session& session) {
  --session.running;
  claim_wanted = claim_wanted || claim_starved;
}

}  // namespace dbos::sidecar
