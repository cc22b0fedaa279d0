// Sessions: who is attached, what they can run, how much they take, and whether they still live.
#include <algorithm>
#include <tuple>

#include "sidecar/engine/state.h"

namespace dbos::sidecar {

void Engine::OpenSession(SessionId id, std::shared_ptr<SessionSink> sink, HelloRequest hello) {
  State& state = *state_;
  if (state.draining || state.sessions.size() >= state.options.sessions_max) {
    sink->Fatal(state.draining ? Error{Reason::kDraining, "the sidecar is shutting down"}
                               : Error{Reason::kInflightLimit,
                                       "too many sessions: at most " + std::to_string(state.options.sessions_max)});
    state.Touch(sink);
    return;
  }
  for (auto& [other_id, other] : state.sessions) {
    if (other.hello.incarnation != hello.incarnation || hello.incarnation.empty()) continue;
    // The same process came back before its old connection was seen to break.
    state.EndSession(other_id, {Reason::kDisconnected, "replaced by a newer session of the same process"});
    break;
  }
  Session session;
  session.id = id;
  session.sink = std::move(sink);
  session.credit = hello.credit;
  session.last_heard = session.last_ping = state.now;
  for (const WorkflowDefinition& workflow : hello.workflows) {
    session.workflows[workflow.name] = workflow.max_recovery_attempts;
  }
  state.control.versions.push_back({hello.application_version, {}});
  state.control_origins.versions.push_back(id);
  for (const ExecutionRef& resumed : hello.resume) {
    AdoptOp adopt;
    adopt.execution = resumed;
    state.control.adoptions.push_back(std::move(adopt));
    state.control_origins.adoptions.push_back({id, hello.incarnation});
  }
  if (hello.resume.empty()) state.control_origins.hello_without_resume.push_back(id);
  session.hello = std::move(hello);
  session.hello.workflows.clear();
  session.hello.resume.clear();
  state.sessions.emplace(id, std::move(session));
}

void Engine::Register(SessionId id, std::vector<WorkflowDefinition> workflows) {
  Session* session = state_->FindSession(id);
  if (session == nullptr) return;
  session->workflows.clear();
  session->kept_for_claim = false;
  for (WorkflowDefinition& workflow : workflows) {
    session->workflows[std::move(workflow.name)] = workflow.max_recovery_attempts;
  }
  state_->claim_wanted = true;
  state_->MaybeClaim();
}

void Engine::SetCredit(SessionId id, std::uint32_t executions) {
  Session* session = state_->FindSession(id);
  if (session == nullptr) return;
  state_->claim_wanted = state_->claim_wanted || executions > session->credit;
  session->credit = executions;
  state_->MaybeClaim();
}

void Engine::DrainSession(SessionId id) {
  if (Session* session = state_->FindSession(id)) session->draining = true;
}

void Engine::Heard(SessionId id) {
  if (Session* session = state_->FindSession(id)) session->last_heard = state_->now;
}

void Engine::CloseSession(SessionId id, CloseCause cause) {
  state_->LoseSession(id, cause);
}

Session* Engine::State::FindSession(SessionId id) {
  auto found = sessions.find(id);
  return found == sessions.end() ? nullptr : &found->second;
}

Session* Engine::State::PickSession(const std::string& name, const std::string& version, SessionId preferred) {
  if (draining) return nullptr;
  auto fits = [&](const Session& session) {
    return (version.empty() || session.hello.application_version == version) && session.CanTake(name);
  };
  if (Session* session = FindSession(preferred); session != nullptr && fits(*session)) return session;
  Session* best = nullptr;
  for (auto& [id, session] : sessions) {
    if (!fits(session)) continue;
    if (best == nullptr || session.running < best->running) best = &session;
  }
  return best;
}

void Engine::State::VersionRegistered(SessionId id, const RegisterVersionOp& op) {
  if (op.error.ok() || FindSession(id) == nullptr) return;
  EndSession(id, op.error);
}

// The verdicts of all hellos that were in this batch: adopt what the database confirms, then welcome.
void Engine::State::AdoptionsDecided(const InFlight& origins, std::vector<AdoptOp> ops) {
  std::map<SessionId, std::vector<Reattached>> welcomes;
  for (SessionId id : origins.hello_without_resume) welcomes[id];
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const AdoptOrigin& origin = origins.adoptions[i];
    welcomes[origin.session].push_back({ops[i].execution, Adopt(origin, ops[i])});
  }
  for (auto& [id, reattached] : welcomes) {
    Session* session = FindSession(id);
    if (session == nullptr) continue;
    session->welcomed = true;
    LeaveUnlisted(session->hello.incarnation);
    session->sink->Welcome(std::move(reattached));
    Touch(session->sink);
    expected.erase(session->hello.incarnation);
    claim_wanted = true;
  }
  if (expected.empty() && recover_wanted) recover_at = now;
}

ReattachVerdict Engine::State::Adopt(const AdoptOrigin& origin, const AdoptOp& op) {
  const std::string& workflow_id = op.execution.workflow_id;
  if (!op.owned) {
    if (op.status == WorkflowStatus::kUnknown) return ReattachVerdict::kUnknown;
    if (op.status == WorkflowStatus::kCancelled) return ReattachVerdict::kCancelled;
    return IsTerminal(op.status) ? ReattachVerdict::kFinished : ReattachVerdict::kStale;
  }
  auto [entry, inserted] = executions.try_emplace(workflow_id);
  if (!inserted && entry->second.ref.owner_token != op.execution.owner_token) {
    Evict(ExecutionRef(entry->second.ref), {Reason::kFenced, "another execution owns the workflow now"});
    std::tie(entry, inserted) = executions.try_emplace(workflow_id);
  }
  Execution& execution = entry->second;
  if (!inserted && execution.phase == Execution::Phase::kMoving) return ReattachVerdict::kStale;
  if (!inserted && execution.replaying) {  // it cannot run with half a replay: handed out again, from the start
    ReleaseCredit(execution);
    Leave(execution, AttemptCount::kForgiven);
    return ReattachVerdict::kStale;
  }
  if (!inserted && execution.phase == Execution::Phase::kUntracked) --untracked;
  if (!inserted) ReleaseCredit(execution);
  execution.ref = op.execution;
  execution.phase = Execution::Phase::kRunning;
  execution.session = origin.session;
  execution.lost.reset();
  execution.awaiting = 0;
  execution.name = op.workflow.name;
  execution.application_version = op.workflow.application_version;
  execution.parent_workflow_id = op.workflow.parent_workflow_id;
  execution.recovery_attempts = op.workflow.recovery_attempts;
  execution.deadline_ms = op.workflow.deadline_ms;
  execution.detached_until = absl::InfiniteFuture();
  if (Session* session = FindSession(origin.session)) {
    ++session->running;
  } else {
    Detach(execution, origin.incarnation);
  }
  return ReattachVerdict::kAdopted;
}

// Kept for its process, which may come back for it.
void Engine::State::Detach(Execution& execution, const std::string& incarnation) {
  execution.phase = Execution::Phase::kDetached;
  execution.session = kNoSession;
  execution.detached_until = now + options.reattach_grace;
  execution.incarnation = incarnation;
  next_detached = std::min(next_detached, execution.detached_until);
}

bool Engine::State::ComesBack(const std::string& incarnation) const {
  return std::any_of(sessions.begin(), sessions.end(), [&](const auto& entry) {
    return !entry.second.welcomed && entry.second.hello.incarnation == incarnation;
  });
}

// What a process that came back does not list, it has never received, or not completely, or has let go of.
void Engine::State::LeaveUnlisted(const std::string& incarnation) {
  if (incarnation.empty()) return;
  std::vector<std::string> unlisted;
  for (const auto& [id, execution] : executions) {
    if (execution.phase == Execution::Phase::kDetached && execution.incarnation == incarnation) unlisted.push_back(id);
  }
  for (const std::string& id : unlisted) Leave(executions.at(id), AttemptCount::kForgiven);
}

void Engine::State::EndSession(SessionId id, Error why) {
  Session* session = FindSession(id);
  if (session == nullptr) return;
  const bool came_back = why.reason == Reason::kDisconnected;
  session->sink->Fatal(std::move(why));
  ended.push_back(session->sink);
  Touch(session->sink);
  LoseSession(id, came_back ? CloseCause::kConnectionLost : CloseCause::kProcessGone);
}

// Its executions go elsewhere at once when the process is gone; when only the connection is, the process may come back
// for them.
void Engine::State::LoseSession(SessionId id, CloseCause cause) {
  if (FindSession(id) == nullptr) return;
  DropWaiters(id);
  const std::string incarnation = std::move(FindSession(id)->hello.incarnation);
  sessions.erase(id);
  std::vector<std::string> held;
  for (const auto& [workflow_id, execution] : executions) {
    if (execution.session == id && execution.phase != Execution::Phase::kUntracked) held.push_back(workflow_id);
  }
  for (const std::string& workflow_id : held) {
    Execution& execution = executions.at(workflow_id);
    execution.session = kNoSession;
    if (execution.phase == Execution::Phase::kMoving) continue;  // TakenOver finds no session and moves it on
    if (cause == CloseCause::kConnectionLost && execution.phase == Execution::Phase::kRunning) {
      Detach(execution, incarnation);
    } else {
      const bool dispatched = execution.phase != Execution::Phase::kLoading;
      Leave(execution, dispatched ? AttemptCount::kCounted : AttemptCount::kForgiven);
    }
  }
}

void Engine::State::FlushStreams() {
  for (auto& [id, session] : sessions) Touch(session.sink);
  std::erase_if(ended, [this](const std::weak_ptr<ReplySink>& stream) {
    const std::shared_ptr<ReplySink> sink = stream.lock();
    if (sink != nullptr) Touch(sink);
    return sink == nullptr;
  });
}

// A stopped process or virtual machine wakes up late. Nobody could reach us in the meantime, so the time does not count
// for those who had to. Even an idle engine is told the time once an interval.
void Engine::State::ForgiveStall(absl::Duration gap) {
  if (gap > 2 * options.ping_interval) {
    for (auto& [id, session] : sessions) session.last_heard += gap;
  }
  if (gap <= 2 * options.probe_interval) return;
  probe_asked += gap;
  for (InFlight& batch : in_flight) batch.taken += gap;
  recover_at += gap;
  next_detached += gap;
  for (auto& [id, execution] : executions) execution.detached_until += gap;
}

void Engine::State::PingSessions() {
  std::vector<SessionId> deaf;
  for (auto& [id, session] : sessions) {
    if (!session.hello.pinged) continue;
    // Before it is welcomed, it waits for us.
    const bool silence_counts = database_available() && session.welcomed;
    if (!silence_counts) session.last_heard = std::max(session.last_heard, now - options.ping_interval);
    if (now - session.last_heard > options.ping_timeout) deaf.push_back(id);
    if (now - session.last_ping < options.ping_interval) continue;
    session.last_ping = now;
    session.sink->Ping(++session.ping_nonce);
    Touch(session.sink);
  }
  for (SessionId id : deaf) {
    // Reason and cause differ on purpose: the process may live, but whoever does not answer pings has lost its work.
    Session* session = FindSession(id);
    session->sink->Fatal(
        {Reason::kDisconnected, "no answer to pings for " + absl::FormatDuration(options.ping_timeout)});
    ended.push_back(session->sink);
    Touch(session->sink);
    LoseSession(id, CloseCause::kProcessGone);
  }
}

}  // namespace dbos::sidecar
