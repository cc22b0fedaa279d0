#include "sidecar/engine/transaction.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

using How = TransactionEnded::How;
using Kind = CommitVerdict::Kind;

// Between two tries of a transaction of one statement, and of looking up a commit in doubt.
constexpr absl::Duration kPause = absl::Milliseconds(1);
constexpr absl::Duration kPauseMax = absl::Milliseconds(500);

void PauseBefore(absl::Time deadline, absl::Duration& pause) {
  absl::SleepFor(std::clamp(deadline - absl::Now(), absl::ZeroDuration(), pause));
  pause = std::min(pause * 2, kPauseMax);
}

constexpr char kLost[] = "08006";

// The connection was lost before anything was committed.
TransactionRestart Restart(const absl::Status& lost) {
  TransactionRestart restart;
  restart.why.sqlstate = kLost;
  restart.why.message = Message(lost);
  return restart;
}

// Tried again and again until its time was over.
Error OutOfTime(const SqlFailure& why) {
  if (why.sqlstate == kLost) return {Reason::kDatabaseUnavailable, why.message};
  return {Reason::kTransactionTimeout,
          "there was no end of conflicts with other transactions within the transaction's time: " + why.message};
}

Reason ReasonOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return Reason::kInvalidRequest;
    case absl::StatusCode::kDeadlineExceeded:
      return Reason::kTransactionTimeout;
    case absl::StatusCode::kResourceExhausted:
      return Reason::kPayloadTooLarge;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
      return Reason::kDatabaseUnavailable;
    default:
      return Reason::kDatabaseError;
  }
}

}  // namespace

bool Transaction::Start(TransactionRequest& request, std::int64_t now_ms) {
  now_ms_ = now_ms;
  if (request.begin) {
    if (open_ || !BeginsAtOnce(*request.begin)) return false;
    Take(*std::exchange(request.begin, std::nullopt));
    Open();
  }
  return open_ && storage_.Defer(request.deferred).ok() && Send(request);
}

bool Transaction::BeginsAtOnce(const BeginRequest& begin) const {
  if (!begin.step) return true;
  const ExecutionStanding standing = records_.StandingOf(begin.step->execution);
  return standing.refusal.ok() && !MustLookUp(begin, standing);
}

bool Transaction::Send(TransactionRequest& request) {
  if (auto* command = std::get_if<SqlCommand>(&request.command)) return storage_.SendRun(*command);
  const std::optional<TransactionStep> recorded = RecordsItself() ? begin_.step : std::nullopt;
  if (auto* commit = std::get_if<CommitRequest>(&request.command)) {
    sent_record_ = TakeRecord(*commit);
    return storage_.SendCommit(recorded, *sent_record_);
  }
  auto* execute = std::get_if<ExecuteRequest>(&request.command);
  if (execute == nullptr) return false;
  if (execute->completed_at_ms == 0) execute->completed_at_ms = now_ms_;
  return storage_.SendExecute(execute->command, recorded, execute->completed_at_ms);
}

SqlArrival Transaction::Poll(const TransactionRequest& request) {
  const SqlArrival arrival = storage_.Poll();
  const bool goes_on = begin_.step == std::nullopt || std::holds_alternative<SqlCommand>(request.command);
  const bool ends_here = goes_on || (RecordsItself() && storage_.same_database());  // the engine has nothing to record
  return arrival == SqlArrival::kAll && !ends_here ? SqlArrival::kMayBlock : arrival;
}

TransactionAnswer Transaction::Handle(TransactionRequest& request, std::int64_t now_ms) {
  now_ms_ = now_ms;
  if (request.begin) {
    if (open_) RollBack();
    TransactionAnswer begun = Begin(*std::exchange(request.begin, std::nullopt));
    if (!std::holds_alternative<TransactionDone>(begun)) return begun;
  } else if (!open_) {
    return Error{Reason::kInvalidRequest, "no transaction is open: the first request of one has \"begin\""};
  }
  if (absl::Status refused = storage_.Defer(request.deferred); !refused.ok()) return Refused(refused);
  if (auto* command = std::get_if<SqlCommand>(&request.command)) return OfRows(storage_.Run(*command));
  if (auto* fetch = std::get_if<FetchRequest>(&request.command)) return OfRows(storage_.Fetch(fetch->rows));
  if (auto* action = std::get_if<SavepointAction>(&request.command)) {
    TransactionAnswer answer = OfRows(storage_.Savepoint(*action));
    if (std::holds_alternative<SqlRows>(answer)) return TransactionDone();
    return answer;
  }
  if (auto* commit = std::get_if<CommitRequest>(&request.command)) return Commit(*commit);
  if (auto* back = std::get_if<RollBackRequest>(&request.command)) return RollBackAndRecord(*back);
  if (auto* execute = std::get_if<ExecuteRequest>(&request.command)) return Execute(*execute);
  return TransactionDone();
}

// Where the application database is one of its own, its record is asked before any SQL runs, unless this is the first
// run of the workflow. It then can only have been left by the same execution, and the key answers at the commit. So it
// does where there is one database: all its records came with the dispatch. What is in doubt is asked about anywhere.
TransactionAnswer Transaction::Begin(BeginRequest begin) {
  Take(std::move(begin));
  if (begin_.step) {
    ExecutionStanding standing = records_.StandingOf(begin_.step->execution);
    if (!standing.refusal.ok()) return std::move(standing.refusal);
    if (MustLookUp(begin_, standing)) {
      auto recorded = begin_.in_doubt ? LookUp() : storage_.Recorded(*begin_.step);
      if (!recorded.ok()) return Refused(recorded.status());
      if (*recorded) return OfVerdict(**std::move(recorded), {});
    }
  }
  Open();
  return TransactionDone();
}

// What is in doubt is asked about until it is known, as long as there is time.
absl::StatusOr<std::optional<CommitVerdict>> Transaction::LookUp() {
  absl::Duration pause = kPause;
  while (true) {
    absl::StatusOr<std::optional<CommitVerdict>> found = storage_.Recorded(*begin_.step);
    if (!absl::IsUnavailable(found.status()) || absl::Now() >= deadline_) return found;
    PauseBefore(deadline_, pause);
  }
}

void Transaction::Take(BeginRequest begin) {
  begin_ = std::move(begin);
  deadline_ = absl::Now() + begin_.timeout;
  sent_record_.reset();
  if (begin_.step && begin_.step->started_at_ms == 0) begin_.step->started_at_ms = now_ms_;
}

void Transaction::Open() {
  storage_.Begin(begin_.mode, deadline_);
  open_ = true;
}

void Transaction::RollBack() {
  open_ = false;
  sent_record_.reset();
  storage_.RollBack();
}

TransactionAnswer Transaction::Refused(const absl::Status& status) {
  RollBack();
  return Error{ReasonOf(status), Message(status)};
}

TransactionAnswer Transaction::OfRows(absl::StatusOr<SqlAnswer> answer) {
  if (absl::IsAborted(answer.status())) {
    RollBack();
    return Restart(answer.status());
  }
  if (!answer.ok()) return Refused(answer.status());
  if (auto* rows = std::get_if<SqlRows>(&*answer)) return std::move(*rows);
  SqlFailure& failure = std::get<SqlFailure>(*answer);
  if (!IsConflict(failure)) return std::move(failure);
  RollBack();
  return TransactionRestart{std::move(failure)};
}

StepRecord Transaction::RecordOf(std::int64_t completed_at_ms, Outcome outcome) const {
  StepRecord record;
  if (!begin_.step) return record;
  record.step_id = begin_.step->step_id;
  record.name = begin_.step->name;
  record.started_at_ms = begin_.step->started_at_ms;
  record.completed_at_ms = completed_at_ms == 0 ? now_ms_ : completed_at_ms;
  record.outcome = std::move(outcome);
  return record;
}

StepRecord Transaction::TakeRecord(CommitRequest& request) {
  if (sent_record_) return *std::exchange(sent_record_, std::nullopt);
  return RecordOf(request.completed_at_ms, Outcome{Outcome::Kind::kValue, std::move(request.result)});
}

TransactionAnswer Transaction::Commit(CommitRequest& request) {
  StepRecord record = TakeRecord(request);
  const std::optional<TransactionStep> recorded = RecordsItself() ? begin_.step : std::nullopt;
  open_ = false;
  absl::StatusOr<CommitVerdict> verdict = storage_.Commit(recorded, record);
  if (absl::IsUnavailable(verdict.status())) return InDoubt(verdict.status(), std::move(record));
  return OfVerdict(std::move(verdict), std::move(record));
}

TransactionAnswer Transaction::OfVerdict(absl::StatusOr<CommitVerdict> verdict, StepRecord record) {
  open_ = false;
  if (absl::IsAborted(verdict.status())) return Restart(verdict.status());
  if (!verdict.ok()) return Refused(verdict.status());
  switch (verdict->kind) {
    case Kind::kCommitted:
      return Ended(How::kCommitted, std::move(record));
    case Kind::kRecordedBefore:
      return Ended(How::kRecordedBefore, std::move(verdict->recorded));
    case Kind::kConflict:
      return TransactionRestart{std::move(verdict->failure)};
    case Kind::kFailed:
      return std::move(verdict->failure);
    case Kind::kRefused:
      break;
  }
  return std::move(verdict->error);
}

// What the application database has recorded, or what a read-only transaction came to, goes into the system database
// before the answer. If that has an outcome, of a try whose answer was lost, it stands: this try has seen its effects.
TransactionAnswer Transaction::Ended(How how, StepRecord record) {
  if (!begin_.step) return TransactionEnded{how, std::move(record.outcome)};
  TransactionEnded ended{how, record.outcome};
  if (RecordsItself() && storage_.same_database() && how != How::kRolledBack) return ended;
  WorkflowRecords::Verdict recorded = records_.Record({begin_.step->execution, std::move(record)});
  if (recorded.before) return TransactionEnded{How::kRecordedBefore, std::move(recorded.before)};
  if (!recorded.error.ok()) return std::move(recorded.error);
  return ended;
}

// The record tells whether it happened. If there is none the server may still be at it: whoever runs the transaction
// again then waits for that one at its key.
TransactionAnswer Transaction::InDoubt(const absl::Status& lost, StepRecord record) {
  storage_.RollBack();
  if (!begin_.step) {
    if (begin_.mode.read_only) return Restart(lost);
    return Error{Reason::kTransactionInDoubt,
                 "the answer to the commit was lost, so it may or may not have taken effect: " + Message(lost)};
  }
  if (!RecordsItself()) return Restart(lost);
  absl::StatusOr<std::optional<CommitVerdict>> found = LookUp();
  if (!found.ok()) return Refused(found.status());
  if (!*found) return Restart(lost);
  const bool ours = (*found)->kind == Kind::kRecordedBefore && (*found)->recorded.outcome && record.outcome &&
                    (*found)->recorded.outcome->payload.data == record.outcome->payload.data;
  if (ours) return Ended(How::kCommitted, std::move(record));
  return OfVerdict(**std::move(found), {});
}

TransactionAnswer Transaction::RollBackAndRecord(RollBackRequest& request) {
  RollBack();
  if (!begin_.step || !request.failure) return TransactionEnded{How::kRolledBack, std::nullopt};
  return Failed(RecordOf(request.completed_at_ms, {}), std::move(request.failure->data));
}

// A failure is an outcome like any other: where the application database decides, it is asked first.
TransactionAnswer Transaction::Failed(StepRecord record, std::string failure) {
  record.outcome = Outcome{Outcome::Kind::kError, {std::move(failure)}};
  if (storage_.same_database() || begin_.mode.read_only) return Ended(How::kRolledBack, std::move(record));
  storage_.Begin({}, std::max(deadline_, absl::Now() + kTransactionIdle));
  absl::StatusOr<CommitVerdict> verdict = storage_.Commit(begin_.step, record);
  if (absl::IsUnavailable(verdict.status())) return InDoubt(verdict.status(), std::move(record));
  if (verdict.ok() && verdict->kind == Kind::kCommitted) return Ended(How::kRolledBack, std::move(record));
  return OfVerdict(std::move(verdict), {});
}

TransactionAnswer Transaction::Execute(ExecuteRequest& request) {
  if (request.completed_at_ms == 0) request.completed_at_ms = now_ms_;
  absl::Duration pause = kPause;
  while (true) {
    TransactionAnswer answer = ExecuteOnce(request);
    const auto* restart = std::get_if<TransactionRestart>(&answer);
    if (restart == nullptr) return answer;
    if (absl::Now() >= deadline_) return OutOfTime(restart->why);
    PauseBefore(deadline_, pause);
    storage_.Begin(begin_.mode, deadline_);
  }
}

TransactionAnswer Transaction::ExecuteOnce(const ExecuteRequest& request) {
  const std::optional<TransactionStep> recorded = RecordsItself() ? begin_.step : std::nullopt;
  open_ = false;
  absl::StatusOr<CommitVerdict> verdict = storage_.Execute(request.command, recorded, request.completed_at_ms);
  StepRecord record = RecordOf(request.completed_at_ms, {});
  record.outcome.reset();
  if (absl::IsUnavailable(verdict.status())) return InDoubt(verdict.status(), std::move(record));
  if (!verdict.ok()) return OfVerdict(std::move(verdict), {});
  if (verdict->kind == Kind::kCommitted) record.outcome = std::move(verdict->recorded.outcome);
  if (verdict->kind != Kind::kFailed || !begin_.step) return OfVerdict(std::move(verdict), std::move(record));
  return Failed(std::move(record), EncodeFailure(verdict->failure, begin_.step->name));
}

}  // namespace dbos::sidecar
