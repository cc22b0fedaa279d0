// Claims: ENQUEUED rows of the internal queue become executions of an attached process; dispatch with replay.
#include <algorithm>
#include <utility>

#include "sidecar/engine/state.h"

namespace dbos::sidecar {
namespace {

constexpr std::int32_t kClaimMax = 500;       // rows of one claim
constexpr std::size_t kReplayReadMax = 200;   // workflows of one replay read; its bytes are limited too
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

ClaimGroup Engine::State::GroupOf(const Session& session) {
  ClaimGroup group{session.hello.application_version, {}};
  for (const auto& [name, attempts] : session.workflows) group.second.push_back(name);
  return group;
}

// Where a claim came too late, because starts had taken the room, the next one finds it kept. So new workflows do not
// overtake those that wait for ever.
void Engine::State::KeepRoom(const ClaimGroup& group, bool kept) {
  if (!overtaken.contains(group)) return;
  for (auto& [id, session] : sessions) {
    if (GroupOf(session) == group) session.kept_for_claim = kept;
  }
}

void Engine::State::ClaimEnded(const ClaimGroup& group) {
  claiming.erase(group);
  KeepRoom(group, false);
}

// Asks for claimable rows for the processes with credit, when something may be there. Those that run the same share a
// claim, and no others: no more is claimed than they can take. One claim of a group is under way at a time.
void Engine::State::MaybeClaim() {
  if (!claim_wanted || draining) return;
  std::map<ClaimGroup, std::int64_t> rooms;
  claim_starved = false;
  for (const auto& [id, session] : sessions) {
    if (!session.welcomed || session.draining || session.workflows.empty()) continue;
    const std::int64_t room = static_cast<std::int64_t>(session.credit) - session.running;
    if (room <= 0) {
      claim_starved = true;  // it asks again when it has room
      continue;
    }
    rooms[GroupOf(session)] += room;
  }
  bool asked_all = true;
  for (const auto& [group, room] : rooms) {
    if (claiming.insert(group).second) {
      KeepRoom(group, true);
      const std::int64_t limit = std::min<std::int64_t>(room, kClaimMax);
      reads.push_back(FindClaimableRead{{group.first, group.second, static_cast<std::int32_t>(limit)}});
    } else {
      asked_all = false;
    }
  }
  if (asked_all) claim_wanted = false;
}

void Engine::State::Queued() {
  claim_wanted = true;
  work_for_others = true;
}

void Engine::WorkArrived() {
  state_->claim_wanted = true;
  state_->MaybeClaim();  // what a claim under way has not seen, the next one of its group does
}

bool Engine::TakeWorkForOthers() {
  return std::exchange(state_->work_for_others, false);
}

void Engine::State::ClaimableFound(const FindClaimableRead& read, std::vector<std::string> ids) {
  if (static_cast<std::int32_t>(ids.size()) >= read.filter.limit) claim_wanted = true;
  std::erase_if(ids, [&](const std::string& id) { return executions.contains(id); });
  if (ids.empty() || draining) {
    ClaimEnded({read.filter.version, read.filter.names});
    overtaken.erase({read.filter.version, read.filter.names});
    return;
  }
  ClaimOp claim;
  claim.workflow_ids = std::move(ids);
  claim.owner_token = random_token();
  claim.application_version = read.filter.version;
  control.claims.push_back(std::move(claim));
  control_origins.claims.emplace_back(read.filter.version, read.filter.names);
}

void Engine::State::Claimed(const ClaimGroup& group, ClaimOp op) {
  ClaimEnded(group);
  overtaken.erase(group);
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
      overtaken.insert(group);
    } else if (!DeadLetterIfExhausted(execution, *session)) {
      execution.session = session->id;
      ++session->running;
      LoadReplay(execution, -1);
    }
  }
}

std::vector<ReadRequest> Engine::TakeReads() {
  State& state = *state_;
  for (auto& [id, session] : state.sessions) state.ReadReplays(session);
  if (!state.outcomes_wanted.empty() && !state.reading_outcomes) {
    state.reading_outcomes = true;
    state.reads.push_back(ReadOutcomesRead{std::exchange(state.outcomes_wanted, {})});
  }
  return std::exchange(state.reads, {});
}

// The next page of what is under way goes before what is not yet dispatched.
void Engine::State::LoadReplay(const Execution& execution, std::int32_t after_step_id) {
  Session* session = FindSession(execution.session);
  if (session == nullptr) return;  // LoseSession has seen to it
  WantedReplay wanted{{execution.ref.workflow_id, after_step_id}, execution.ref.owner_token};
  std::deque<WantedReplay>& replays = session->replays;
  replays.insert(after_step_id < 0 ? replays.end() : replays.begin(), std::move(wanted));
}

// One read at a time, whose size the storage limits, and only while little waits: so however much there is to replay,
// the session's stream takes it.
void Engine::State::ReadReplays(Session& session) {
  if (session.loading || session.replays.empty() || session.sink->WaitingBytes() > kStreamBytesAhead) return;
  LoadReplayRead read;
  read.session = session.id;
  while (!session.replays.empty() && read.requests.size() < kReplayReadMax) {
    WantedReplay wanted = std::move(session.replays.front());
    session.replays.pop_front();
    auto found = executions.find(wanted.request.workflow_id);
    if (found == executions.end() || found->second.ref.owner_token != wanted.owner_token) continue;
    read.requests.push_back(std::move(wanted.request));
    read.owner_tokens.push_back(std::move(wanted.owner_token));
  }
  if (read.requests.empty()) return;
  session.loading = true;
  reads.push_back(std::move(read));
}

void Engine::State::ReplayLoaded(const LoadReplayRead& read, std::vector<Replay> replays) {
  Session* session = FindSession(read.session);
  if (session == nullptr) return;  // LoseSession has seen to it
  session->loading = false;
  for (std::size_t i = read.requests.size(); i > replays.size(); --i) {  // there was no room for them in this read
    session->replays.push_front({read.requests[i - 1], read.owner_tokens[i - 1]});
  }
  for (std::size_t i = 0; i < replays.size(); ++i) {
    auto found = executions.find(read.requests[i].workflow_id);
    if (found == executions.end() || found->second.ref.owner_token != read.owner_tokens[i]) continue;
    if (replays[i].deleted) {
      Deleted(found->second);
    } else {
      PageLoaded(found->second, read.requests[i].after_step_id, std::move(replays[i]));
    }
  }
}

void Engine::State::Deleted(const Execution& execution) {
  const Error deleted{Reason::kWorkflowNotFound, "workflow " + execution.ref.workflow_id + " was deleted"};
  Session* session = FindSession(execution.session);
  if (session != nullptr && execution.phase == Execution::Phase::kRunning) {  // it waits for the rest of its replay
    session->sink->Evicted(execution.ref, deleted);
    Touch(session->sink);
  }
  Evict(ExecutionRef(execution.ref), deleted);
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
