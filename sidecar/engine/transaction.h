// Transaction: the rules of one user's transaction after another on one session.
//
// Invariants
//   - A commit and the record of its step are one: either in the same database, or in the application database, whose
//     record decides; then the row of the system database follows before the answer.
//   - A commit whose answer was lost is looked up, never repeated blindly.
//   - After a time limit the transaction is rolled back, and nothing more of it is taken.
//   - A read-only transaction writes nothing, so its step is recorded by the engine, after it.
//
// A thread that must not block lets Start send what a request asks of the database, and has Handle take the answer when
// Poll says that it will not block for it.
//
// Threads:  one at a time; Interrupt from any.
// Blocking: Handle blocks for the database, at most until the deadline of the transaction, and for the engine's record.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "sidecar/engine/requests.h"
#include "sidecar/model/error.h"
#include "sidecar/model/transaction.h"
#include "sidecar/store/transaction_storage.h"

namespace dbos::sidecar {

inline constexpr absl::Duration kTransactionTimeout = absl::Seconds(30);
inline constexpr absl::Duration kTransactionTimeoutMax = absl::Hours(1);
inline constexpr absl::Duration kTransactionIdle = absl::Seconds(5);
inline constexpr absl::Duration kTransactionIdleMax = absl::Minutes(1);

struct BeginRequest {
  std::optional<TransactionStep> step;  // none: outside of a workflow
  TransactionMode mode;
  absl::Duration timeout = kTransactionTimeout;
  absl::Duration idle_timeout = kTransactionIdle;
  bool in_doubt = false;  // it may have been committed already
};
struct FetchRequest {
  std::uint32_t rows = 0;
};
struct CommitRequest {
  Payload result;
  std::int64_t completed_at_ms = 0;
};
struct RollBackRequest {
  std::optional<Payload> failure;  // of the step
  std::int64_t completed_at_ms = 0;
};
// The whole transaction, with `begin`.
struct ExecuteRequest {
  SqlCommand command;
  std::int64_t completed_at_ms = 0;
};
struct TransactionRequest {
  std::optional<BeginRequest> begin;
  std::vector<SqlCommand> deferred;  // run before the command; only where one fails is it the answer
  std::variant<std::monostate, SqlCommand, FetchRequest, SavepointAction, CommitRequest, RollBackRequest,
               ExecuteRequest>
      command;
};

struct TransactionDone {};
struct TransactionEnded {
  enum class How { kCommitted = 1, kRolledBack = 2, kRecordedBefore = 3 };
  How how = How::kCommitted;
  std::optional<Outcome> outcome;
};
struct TransactionRestart {
  SqlFailure why;
};
using TransactionAnswer =
    std::variant<TransactionDone, SqlRows, TransactionEnded, TransactionRestart, SqlFailure, Error>;

// The engine, as far as transactions need it.
class WorkflowRecords {
 public:
  virtual ~WorkflowRecords() = default;
  virtual ExecutionStanding StandingOf(const ExecutionRef& execution) = 0;
  struct Verdict {
    Error error;
    std::optional<Outcome> before;  // the step has this outcome already, and nothing was recorded now
  };
  // Records a step. Returns when it is durable or refused.
  virtual Verdict Record(RecordStepRequest request) = 0;
  // For how long nobody has asked the engine for anything.
  virtual absl::Duration QuietFor() const = 0;
};

class Transaction {
 public:
  Transaction(TransactionStorage& storage, WorkflowRecords& records) : storage_(storage), records_(records) {}

  // `now_ms` is Unix milliseconds, for what the caller left to us.
  TransactionAnswer Handle(TransactionRequest& request, std::int64_t now_ms);

  // The first half of Handle. True: sent. False: Handle, with what is left of the request, has to do it all.
  bool Start(TransactionRequest& request, std::int64_t now_ms);
  SqlArrival Poll(const TransactionRequest& request);
  SqlWait WaitsFor() { return storage_.WaitsFor(); }

  bool open() const { return open_; }
  bool spent() const { return storage_.spent(); }
  bool could_group() const { return storage_.could_group(); }
  const BeginRequest& begin() const { return begin_; }
  absl::Time deadline() const { return deadline_; }
  void RollBack();
  // Ends the call that runs now.
  void Interrupt() { storage_.Interrupt(); }

 private:
  TransactionAnswer Begin(BeginRequest begin);
  absl::StatusOr<std::optional<CommitVerdict>> LookUp();
  void Take(BeginRequest begin);
  void Open();
  bool BeginsAtOnce(const BeginRequest& begin) const;
  bool MustLookUp(const BeginRequest& begin, const ExecutionStanding& standing) const {
    return begin.in_doubt || (!storage_.same_database() && !standing.first_run);
  }
  bool Send(TransactionRequest& request);
  StepRecord TakeRecord(CommitRequest& request);
  TransactionAnswer Commit(CommitRequest& request);
  TransactionAnswer RollBackAndRecord(RollBackRequest& request);
  TransactionAnswer Execute(ExecuteRequest& request);
  TransactionAnswer ExecuteOnce(const ExecuteRequest& request);
  TransactionAnswer OfRows(absl::StatusOr<SqlAnswer> answer);
  TransactionAnswer OfVerdict(absl::StatusOr<CommitVerdict> verdict, StepRecord record);
  TransactionAnswer InDoubt(const absl::Status& lost, StepRecord record);
  TransactionAnswer Failed(StepRecord record, std::string failure);
  TransactionAnswer Ended(TransactionEnded::How how, StepRecord record);
  TransactionAnswer Refused(const absl::Status& status);
  StepRecord RecordOf(std::int64_t completed_at_ms, Outcome outcome) const;
  bool RecordsItself() const { return begin_.step && !begin_.mode.read_only; }

  TransactionStorage& storage_;
  WorkflowRecords& records_;
  BeginRequest begin_;
  absl::Time deadline_;
  std::int64_t now_ms_ = 0;
  std::optional<StepRecord> sent_record_;  // of a commit that has no answer yet
  bool open_ = false;
};

}  // namespace dbos::sidecar
