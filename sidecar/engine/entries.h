// What the engine's tables hold: executions and their queued operations, sessions, starts, waiters, and what a batch in
// flight is about. Plain records, private to sidecar/engine.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"

#include "sidecar/engine/requests.h"
#include "sidecar/engine/sink.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

// Who asked, and what the answer is called.
struct Caller {
  std::shared_ptr<ReplySink> sink;
  std::uint64_t seq = 0;
  SessionId session = kNoSession;
};

// What an operation counts for while it waits: besides its payload its own record, and for a unary call the request,
// which stays, and gRPC's state.
inline std::size_t CountedBytes(const Caller& caller, std::size_t payload) {
  constexpr std::size_t kOperationBytes = 1 << 10;
  constexpr std::size_t kUnaryCallBytes = 4 << 10;
  return caller.session == kNoSession ? kUnaryCallBytes + 2 * payload : kOperationBytes + payload;
}

// A queued operation of one execution: a step, a child start (which is a step too), or the completion.
struct Operation {
  Caller caller;
  std::size_t bytes = 0;
  std::variant<StepRecord, StartRequest, Outcome> body;

  bool is_completion() const { return std::holds_alternative<Outcome>(body); }
  bool is_failure() const { return is_completion() && std::get<Outcome>(body).kind == Outcome::Kind::kError; }
};

// Whether leaving an execution counts as one of the workflow's attempts. Forgiven: its code has not run, or its process
// let go of it in good order.
enum class AttemptCount { kCounted, kForgiven };

// Where an operation stands in its execution: its step id; the outcome comes last.
inline constexpr std::int32_t kOutcomePosition = std::numeric_limits<std::int32_t>::max();

struct Execution {
  enum class Phase {
    kRunning,    // its process has it
    kLoading,    // ours, waiting for its recorded steps before dispatch
    kDetached,   // its connection was lost, the process lives: kept until `detached_until`
    kMoving,     // to be taken over or handed back by the next batch, or in flight with one
    kUntracked,  // not dispatched by this sidecar process: operations pass through to the database's fence
  };

  ExecutionRef ref;
  Phase phase = Phase::kRunning;
  SessionId session = kNoSession;
  std::string name;
  std::string application_version;
  std::string parent_workflow_id;
  std::int64_t recovery_attempts = 0;
  std::int64_t deadline_ms = 0;
  std::vector<Operation> queue;  // not yet in a batch, oldest first
  Error refused;                 // the first refusal while it owns its workflow: then only an error outcome may follow
  // The first position that a session's stream was refused for want of room: until it comes again, nothing goes past
  // it.
  std::int32_t no_room_for = kOutcomePosition;
  bool in_batch = false;
  bool ready = false;                // listed in State::ready
  bool replaying = false;            // dispatched, and not all pages of its replay are sent yet
  std::optional<AttemptCount> lost;  // its process went while a batch held it: move it when the verdict is in
  std::optional<Caller> release;     // its process has let go: hand it back when what it asked before has its verdict
  std::uint32_t awaiting = 0;        // waits of the running code; while > 0 it uses no credit
  absl::Time detached_until = absl::InfiniteFuture();
  std::string incarnation;  // while detached: the process that may come back for it
};

// A page of an execution's replay that is still to be read.
struct WantedReplay {
  ReplayRequest request;
  std::string owner_token;
};

struct Session {
  SessionId id = kNoSession;
  std::shared_ptr<SessionSink> sink;
  HelloRequest hello;
  std::map<std::string, std::int64_t> workflows;  // name -> max recovery attempts
  std::uint32_t credit = 0;
  std::int64_t running = 0;          // executions that use credit; above `credit` after waits end together
  std::deque<WantedReplay> replays;  // what it has to be sent, in this order
  bool loading = false;              // the first of it is being read
  bool welcomed = false;
  bool draining = false;
  bool kept_for_claim = false;  // its room is for what a claim under way brings
  absl::Time last_heard;
  absl::Time last_ping;
  std::uint64_t ping_nonce = 0;

  bool CanTake(const std::string& name) const {
    return welcomed && !draining && !kept_for_claim && running < static_cast<std::int64_t>(credit) &&
           workflows.contains(name);
  }
};

// Sessions that run the same workflows of the same version, by what they share: version and names.
using ClaimGroup = std::pair<std::string, std::vector<std::string>>;

struct PendingStart {
  Caller caller;
  StartRequest request;
  SessionId runner = kNoSession;  // reserved credit there
  std::string runner_version;
  std::size_t bytes = 0;
};

// When waits end unanswered: time -> workflow id. One entry for each waiter that has a deadline.
using WaiterDeadlines = std::multimap<absl::Time, std::string>;

struct Waiter {
  Caller caller;
  std::optional<WaiterDeadlines::iterator> deadline;
  std::optional<ExecutionRef> execution;  // the execution that waits
};

// What the batch in flight is about: for each operation of the Batch, in the same order, who is to be told.
struct StepOrigin {
  Caller caller;
  std::size_t bytes = 0;
};
struct ReleaseOrigin {
  std::optional<Caller> caller;
};
struct AdoptOrigin {
  SessionId session = kNoSession;
  std::string incarnation;  // for the case that the session breaks before the verdict
};
struct InFlight {
  absl::Time taken;
  std::vector<StepOrigin> steps;
  std::vector<StepOrigin> completions;
  std::vector<PendingStart> starts;  // request.input has been moved into the op
  std::vector<SessionId> versions;   // whose hello waits for it
  std::vector<AdoptOrigin> adoptions;
  std::vector<SessionId> hello_without_resume;
  std::vector<ReleaseOrigin> hand_backs;
  std::vector<ClaimGroup> claims;
  std::vector<Caller> cancels;
  bool recovers = false;
};

}  // namespace dbos::sidecar
