#include "sidecar/engine/engine.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "sidecar/base/status.h"
#include "sidecar/engine/state.h"

namespace dbos::sidecar {

Engine::Engine(EngineOptions options, TokenSource random_token)
    : state_(std::make_unique<State>(std::move(options), std::move(random_token))) {
}

Engine::~Engine() = default;

Engine::State::State(EngineOptions engine_options, TokenSource tokens)
    : options(std::move(engine_options)),
      random_token(std::move(tokens)),
      expected(options.expected_incarnations.begin(), options.expected_incarnations.end()) {
}

void Engine::SetTime(absl::Time now, std::int64_t wall_ms) {
  State& state = *state_;
  if (state.now != absl::UnixEpoch()) {
    state.ForgiveStall(now - state.now);
  } else if (!state.expected.empty()) {
    state.recover_at = now + state.options.reattach_grace;
  }
  state.now = now;
  state.wall_ms = wall_ms;
}

void Engine::Tick(absl::Time now, std::int64_t wall_ms) {
  State& state = *state_;
  SetTime(now, wall_ms);
  if (now < NextWake()) return;
  state.PingSessions();
  state.ExpireWaiters();
  state.MoveDetached();
  state.AdvanceDrain();
  if (now >= state.next_probe) {
    state.next_probe = now + state.options.probe_interval;
    if (!std::exchange(state.probing, true)) {
      state.reads.push_back(ProbeRead{{state.probed_ms}});
      state.probe_asked = now;
    }
    state.FlushStreams();
    state.PollWaiters();
    std::move(state.failed_replays.begin(), state.failed_replays.end(), std::back_inserter(state.reads));
    state.failed_replays.clear();
  }
  state.MaybeClaim();
}

absl::Time Engine::NextWake() const {
  const State& state = *state_;
  absl::Time wake = std::min(state.next_probe, state.next_detached);
  for (const auto& [id, session] : state.sessions) {
    if (session.hello.pinged) wake = std::min(wake, session.last_ping + state.options.ping_interval);
  }
  if (!state.waiter_deadlines.empty()) wake = std::min(wake, state.waiter_deadlines.begin()->first);
  if (state.recover_wanted) wake = std::min(wake, state.recover_at);
  if (state.draining && state.now < state.drain_until) wake = std::min(wake, state.drain_until);
  return wake;
}

void Engine::DatabaseFailed(const absl::Status& status) {
  state_->commits_fail = true;
  state_->database_error = Message(status);
}

void Engine::ReadDone(const ReadRequest& request, ReadResult result) {
  State& state = *state_;
  if (const auto* claimable = std::get_if<FindClaimableRead>(&request)) {
    state.ClaimableFound(*claimable, std::get<std::vector<std::string>>(std::move(result)));
  } else if (const auto* replay = std::get_if<LoadReplayRead>(&request)) {
    state.ReplayLoaded(*replay, std::get<std::vector<Replay>>(std::move(result)));
  } else if (std::holds_alternative<ReadOutcomesRead>(request)) {
    state.OutcomesRead(std::get<std::vector<WorkflowRecord>>(std::move(result)));
  } else {
    state.reads_fail = false;
    state.ProbeAnswered(std::get<Due>(result));
  }
  state.MaybeClaim();
}

// A read that failed is asked again with the next probe.
void Engine::ReadFailed(const ReadRequest& request, const absl::Status& status) {
  State& state = *state_;
  state.reads_fail = true;
  if (!state.commits_fail) state.database_error = Message(status);
  if (const auto* claimable = std::get_if<FindClaimableRead>(&request)) {
    state.ClaimEnded({claimable->filter.version, claimable->filter.names});
  } else if (std::holds_alternative<LoadReplayRead>(request)) {
    state.failed_replays.push_back(request);
  } else if (std::holds_alternative<ReadOutcomesRead>(request)) {
    state.reading_outcomes = false;
  } else {
    state.probing = false;
  }
}

std::vector<std::shared_ptr<ReplySink>> Engine::TakeDirtySinks() {
  std::vector<std::shared_ptr<ReplySink>>& dirty = state_->dirty;
  std::sort(dirty.begin(), dirty.end());
  dirty.erase(std::unique(dirty.begin(), dirty.end()), dirty.end());
  return std::exchange(dirty, {});
}

std::string Engine::State::Silence() const {
  const absl::Time patient_since = now - options.database_patience;
  const bool commit = !in_flight.empty() && in_flight.front().taken < patient_since;
  const bool probe = probing && probe_asked < patient_since;
  if (!commit && !probe) return "";
  return std::string(commit ? "a commit" : "a probe") + " has had no answer for more than " +
         absl::FormatDuration(options.database_patience) +
         ": look whether the server hangs, who holds locks there, and whether the network between is up";
}

EngineStatus Engine::status() const {
  const std::string silence = state_->Silence();
  const bool available = state_->database_available() && silence.empty();
  // An error says more than silence.
  return {available, state_->database_available() && !available ? silence : state_->database_error, state_->draining,
          state_->sessions.size(), state_->executions.size() - state_->untracked};
}

}  // namespace dbos::sidecar
