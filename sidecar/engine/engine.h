// Engine: the rules of durable execution as a state machine without I/O, threads or clocks.
//
// Events go in (requests of the doors, results of the database, the time); what to do comes out as a Batch to commit,
// reads to run, and calls on sinks. Nothing is acknowledged before the Batch that holds it came back committed.
//
// Invariants
//   - One owner: `executions` has at most one entry for a workflow, and operations that carry another token are refused
//     or fenced by the database.
//   - Prefix: the operations of one execution are committed in the order they came, one step a batch; after one was
//     refused, so is everything behind it, except an error outcome. An execution that lost its ownership is evicted.
//     What was refused for want of room may come again, and then what was behind it.
//   - Every request gets exactly one answer on its sink, unless the sink's other end went away.
//   - Bounded: sessions, operations and bytes in flight, waiters.
//
// Threads:  none of its own; EngineLoop serialises all calls under one lock.
// Blocking: never.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "sidecar/engine/requests.h"
#include "sidecar/engine/sink.h"
#include "sidecar/model/batch.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

struct EngineOptions {
  absl::Duration ping_interval = absl::Milliseconds(400);
  absl::Duration ping_timeout = absl::Seconds(10);
  absl::Duration probe_interval = absl::Seconds(1);
  // After how long without an answer to a commit or a probe the database counts as not available.
  absl::Duration database_patience = absl::Seconds(5);
  // How long a process whose connection was lost, but which still lives, may take to come back.
  absl::Duration reattach_grace = absl::Seconds(3);
  // Processes that were attached when the previous sidecar of this state directory ended and still live. Their
  // executions are left alone until they have come back or `reattach_grace` has passed.
  std::vector<std::string> expected_incarnations;
  std::size_t batch_operations_max = 512;
  std::size_t batch_bytes_max = 4 << 20;
  // What waits for a commit. A door with a session has limits of its own before these.
  std::size_t execution_operations_max = 4096;
  std::size_t cancels_max = 4096;
  std::size_t pending_bytes_max = 256 << 20;  // of all operations, see CountedBytes: their number is bounded too
  std::size_t sessions_max = 256;
  std::size_t waiters_max = 100'000;
};

// A read the engine wants done; the answer comes back through ReadDone with the same request.
struct FindClaimableRead {
  ClaimFilter filter;
};
struct LoadReplayRead {
  SessionId session = kNoSession;  // who is to have them
  std::vector<ReplayRequest> requests;
  std::vector<std::string> owner_tokens;  // one for each request: a page for an older execution is dropped
};
struct ReadOutcomesRead {
  std::vector<std::string> workflow_ids;
};
struct ProbeRead {
  ProbeRequest request;
};
using ReadRequest = std::variant<FindClaimableRead, LoadReplayRead, ReadOutcomesRead, ProbeRead>;
using ReadResult = std::variant<std::vector<std::string>, std::vector<Replay>, std::vector<WorkflowRecord>, Due>;

enum class CloseCause { kProcessGone, kConnectionLost };

struct EngineStatus {
  bool database_available = false;
  std::string database_error;  // the last one, or that it does not answer
  bool draining = false;
  std::size_t sessions = 0;
  std::size_t executions = 0;
};

class Engine {
 public:
  // `random_token` returns a fresh UUIDv4; `wall_ms` in Tick is Unix milliseconds.
  using TokenSource = std::function<std::string()>;
  Engine(EngineOptions options, TokenSource random_token);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Sessions. Welcome is sent when the version is registered and every resumed execution has its verdict.
  void OpenSession(SessionId id, std::shared_ptr<SessionSink> sink, HelloRequest hello);
  void Register(SessionId id, std::vector<WorkflowDefinition> workflows);
  void SetCredit(SessionId id, std::uint32_t executions);
  void DrainSession(SessionId id);
  void Heard(SessionId id);  // any frame, for liveness
  void CloseSession(SessionId id, CloseCause cause);

  // Operations. `session` is kNoSession for the unary door.
  void StartWorkflow(SessionId session, std::shared_ptr<ReplySink> sink, std::uint64_t seq, StartRequest request);
  void RecordStep(SessionId session, std::shared_ptr<ReplySink> sink, std::uint64_t seq, RecordStepRequest request);
  void CompleteWorkflow(SessionId session, std::shared_ptr<ReplySink> sink, std::uint64_t seq, CompleteRequest request);
  void AwaitWorkflow(SessionId session, std::shared_ptr<ReplySink> sink, std::uint64_t seq, AwaitRequest request);
  // The caller no longer waits.
  void AbandonAwait(const std::shared_ptr<ReplySink>& sink, std::uint64_t seq);
  void CancelWorkflow(std::shared_ptr<ReplySink> sink, std::uint64_t seq, std::string workflow_id);
  void ReleaseExecution(std::shared_ptr<ReplySink> sink, std::uint64_t seq, const ExecutionRef& execution);
  // The door has refused an operation of this execution itself: what was asked before goes on, what is asked after it
  // is refused. `session` is kNoSession for the unary door.
  void RefuseExecution(SessionId session, const ExecutionRef& ref, Error why);
  // The door has refused this step for want of room: what is asked after it is refused for the same reason until the
  // step comes again.
  void NoRoomFor(SessionId session, const ExecutionRef& ref, std::int32_t step_id);

  // For transactions, whose records do not go through a batch.
  ExecutionStanding StandingOf(const ExecutionRef& ref) const;
  // Another process says that it has queued work which this one may run: that is looked for at once.
  void WorkArrived();
  // Whether work was queued, since the last call, that other processes may run too: somebody should tell them.
  bool TakeWorkForOthers();

  // Stops dispatch and asks sessions to finish; after `finish_within` hands everything back and ends the sessions.
  // While it drains, a shorter time shortens it.
  void Drain(absl::Duration finish_within);
  bool Drained() const;

  // Time. `now` is monotonic. SetTime goes before the events that have gathered, Tick does what is due and goes after
  // them: nobody is judged by his silence before he was heard. NextWake is when Tick wants to be called at the latest.
  void SetTime(absl::Time now, std::int64_t wall_ms);
  void Tick(absl::Time now, std::int64_t wall_ms);
  absl::Time NextWake() const;

  // Database.
  // The next batch, empty when there is nothing to write, or nothing until the one before it is answered. Others may be
  // taken, and even committed, before that: they hold nothing of the executions that one is about.
  Batch TakeBatch();
  void Committed(Batch batch);                      // the verdicts of a batch that came from TakeBatch, in that order
  void DatabaseFailed(const absl::Status& status);  // a commit failed and will be tried again
  std::vector<ReadRequest> TakeReads();
  void ReadDone(const ReadRequest& request, ReadResult result);
  void ReadFailed(const ReadRequest& request, const absl::Status& status);

  // Sinks that were appended to since the last call; the caller flushes them without the lock.
  std::vector<std::shared_ptr<ReplySink>> TakeDirtySinks();

  EngineStatus status() const;

  class State;  // sidecar/engine/state.h

 private:
  std::unique_ptr<State> state_;
};

}  // namespace dbos::sidecar
