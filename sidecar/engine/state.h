// The engine's state, and what its files share. Private to sidecar/engine.
//
//   sessions.cc    who is attached: hello, credit, pings, closing
//   starts.cc      StartWorkflow
//   steps.cc       RecordStep, CompleteWorkflow: one execution's operations, in order
//   claims.cc      ENQUEUED rows to executions; dispatch with replay
//   recovery.cc    executions whose process or sidecar went away; cancel; drain
//   waiters.cc     AwaitWorkflow
//   batches.cc     what the next commit holds, and where its verdicts go
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/time/time.h"

#include "sidecar/engine/engine.h"
#include "sidecar/engine/entries.h"

namespace dbos::sidecar {

class Engine::State {
 public:
  State(EngineOptions engine_options, TokenSource tokens);

  // ---- answers
  void Refuse(const Caller& caller, Reason reason, std::string message);
  void Touch(const std::shared_ptr<ReplySink>& sink) { dirty.push_back(sink); }

  // ---- sessions.cc
  Session* FindSession(SessionId id);
  // A session of this version that can run `name` now, `preferred` first; nullptr if there is none.
  Session* PickSession(const std::string& name, const std::string& version, SessionId preferred);
  void EndSession(SessionId id, Error why);  // Fatal, then as if it had closed
  void LoseSession(SessionId id, CloseCause cause);
  void PingSessions();
  void FlushStreams();  // once a second at the least: then a stream notices that its client does not read
  void ForgiveStall(absl::Duration gap);
  void VersionRegistered(SessionId id, const RegisterVersionOp& op);
  void AdoptionsDecided(const InFlight& origins, std::vector<AdoptOp> ops);
  ReattachVerdict Adopt(const AdoptOrigin& origin, const AdoptOp& op);
  void Detach(Execution& execution, const std::string& incarnation);
  bool ComesBack(const std::string& incarnation) const;  // its Hello is here, the verdict is not
  void LeaveUnlisted(const std::string& incarnation);

  // ---- steps.cc
  Execution& Entry(const ExecutionRef& ref, SessionId session);  // an untracked one if the workflow is not here
  Execution* Admit(const Caller& caller, const ExecutionRef& ref, std::int32_t position, bool is_failure = false);
  void NoRoomFor(SessionId session, const ExecutionRef& ref, std::int32_t position);
  void Enqueue(Execution& execution, Operation operation);
  void StepCommitted(const StepOrigin& origin, const StepOp& op);
  void CompletionCommitted(const StepOrigin& origin, CompletionOp op);
  // After a refusal.
  void BreakOff(const ExecutionRef& ref, const Error& why);
  void End(const ExecutionRef& ref);
  // The queue is refused too and this execution, not a newer one of the workflow, is gone from here.
  void Evict(const ExecutionRef& ref, const Error& why);
  void Forget(const std::string& workflow_id);

  // ---- starts.cc
  void AddStart(Caller caller, StartRequest request);
  void StartCommitted(const PendingStart& start, StartOp op);
  void RunStarted(const PendingStart& start, StartOp& op);

  // ---- claims.cc
  void MaybeClaim();
  void Queued();  // something is there to be claimed, by whomever
  static ClaimGroup GroupOf(const Session& session);
  void KeepRoom(const ClaimGroup& group, bool kept);
  void ClaimEnded(const ClaimGroup& group);
  void ClaimableFound(const FindClaimableRead& read, std::vector<std::string> ids);
  void Claimed(const ClaimGroup& group, ClaimOp op);
  void LoadReplay(const Execution& execution, std::int32_t after_step_id);
  void ReadReplays(Session& session);  // if it is time to
  void ReplayLoaded(const LoadReplayRead& read, std::vector<Replay> replays);
  void PageLoaded(Execution& execution, std::int32_t after_step_id, Replay replay);
  void Deleted(const Execution& execution);
  void Dispatch(Execution& execution, Session& session, Payload input, std::vector<StepRecord> steps, bool complete);
  void ReleaseCredit(Execution& execution);
  void FreeCredit(Session& session);

  // ---- recovery.cc
  // To another session if one can take it, else back to the queue; once the verdict is in, if a batch holds it.
  void Leave(Execution& execution, AttemptCount attempt);
  void Move(Execution& execution, AttemptCount attempt);
  void HandBack(Execution& execution, std::optional<Caller> caller, AttemptCount attempt);
  void TakenOver(const TakeOverOp& op);
  void HandedBack(const HandBackOp& op, const ReleaseOrigin& origin);
  // Dead-letters the execution if it has used up its attempts. True: it did.
  bool DeadLetterIfExhausted(Execution& execution, const Session& session);
  void Recovered(const RecoverOp& op);
  void ProbeAnswered(const Due& due);
  void CancelSeen(const std::string& workflow_id);
  void AdvanceDrain();
  void MoveDetached();

  // ---- batches.cc
  bool RecoveryIsDue() const;
  void ExecutionsCommitted(InFlight& origins, Batch& batch);
  void GoOn(const std::string& workflow_id);

  // ---- waiters.cc
  // `outcome` may be null.
  void Wake(const std::string& workflow_id, WorkflowStatus status, const Outcome* outcome);
  void OutcomesRead(std::vector<WorkflowRecord> records);
  void PollWaiters();
  void ExpireWaiters();
  bool RunsHere(const std::string& workflow_id) const;
  void BeginWait(const ExecutionRef& ref);
  void StopWaiting(const Waiter& waiter);
  void DropWaiters(SessionId session);

  // ---- constant after construction
  const EngineOptions options;
  const TokenSource random_token;

  // ---- time
  absl::Time now = absl::UnixEpoch();
  std::int64_t wall_ms = 0;
  absl::Time next_probe = absl::InfinitePast();
  absl::Time next_detached = absl::InfiniteFuture();

  // ---- who is attached and what runs
  std::unordered_map<SessionId, Session> sessions;
  std::vector<std::weak_ptr<ReplySink>> ended;  // were told Fatal; their stream may still be there
  std::unordered_map<std::string, Execution> executions;
  std::size_t untracked = 0;
  std::unordered_set<std::string> expected;  // incarnations the previous sidecar had attached
  bool recover_wanted = true;
  absl::Time recover_at = absl::InfinitePast();
  bool draining = false;
  absl::Time drain_until = absl::InfiniteFuture();

  // ---- work for the next batch
  std::deque<std::string> ready;  // executions with queued operations and none in a batch
  std::deque<PendingStart> starts;
  Batch control;             // everything else, already typed
  InFlight control_origins;  // for `control`
  std::size_t pending_bytes = 0;
  std::deque<InFlight> in_flight;  // of the batches taken and not yet answered, oldest first

  // ---- claims and replay
  bool claim_wanted = false;
  bool claim_starved = false;               // a session without room was passed over
  std::set<ClaimGroup> claiming;            // with a claim under way
  std::set<ClaimGroup> overtaken;           // whose last claim found no room any more for all that it had
  bool work_for_others = false;             // was queued, and nobody else knows
  std::vector<ReadRequest> failed_replays;  // asked again with the next probe
  std::vector<ReadRequest> reads;
  std::int64_t probed_ms = 0;
  bool probing = false;
  absl::Time probe_asked;

  // ---- waiters
  std::unordered_map<std::string, std::vector<Waiter>> waiters;
  std::size_t waiter_count = 0;
  WaiterDeadlines waiter_deadlines;
  std::map<std::pair<const ReplySink*, std::uint64_t>, std::string> waiting_calls;  // -> workflow id
  std::vector<std::string> outcomes_wanted;
  bool reading_outcomes = false;

  // ---- database
  bool database_available() const { return !commits_fail && !reads_fail; }
  // What has had no answer for longer than `database_patience`, as a sentence; empty if there is nothing.
  std::string Silence() const;
  bool commits_fail = false, reads_fail = false;  // a full or read-only database can still be read
  std::string database_error;
  std::vector<std::shared_ptr<ReplySink>> dirty;
};

}  // namespace dbos::sidecar
