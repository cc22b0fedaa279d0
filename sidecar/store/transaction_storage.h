// TransactionStorage: the interface between the rules of transactions and the application database. One session, with
// the records of steps in the same commits.
//
// Run, Commit, Execute and RunGroup come in two halves as well, see SqlSession: SendRun with the same arguments first,
// then Run.
//
// Threads:  one at a time; Interrupt from any.
// Blocking: every call but Begin, Interrupt, the Sends and Poll, at most up to the deadline of Begin.
// Errors:   Unavailable         the connection was lost and the transaction with it; a commit may have happened
//           DeadlineExceeded    the transaction's time is over, or it was interrupted; it was rolled back
//           InvalidArgument     the statement or a parameter is not as it must be; the message names the fix
//           ResourceExhausted   more rows than fit; rolled back
//           anything else       a fault of the session; rolled back
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/db/sql_session.h"
#include "sidecar/model/error.h"
#include "sidecar/model/step.h"
#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

// What became of a commit. Only with kCommitted has anything of the transaction taken effect.
struct CommitVerdict {
  enum class Kind {
    kCommitted,
    kRecordedBefore,  // the step has an outcome already: `recorded`. It may be our own, of a commit in doubt
    kConflict,        // `failure`: the same transaction may succeed when it is run again
    kFailed,          // `failure`
    kRefused,         // `error`: the execution owns its workflow no more, or the step has another name
  };
  Kind kind = Kind::kCommitted;
  StepRecord recorded = {};  // with kCommitted: of Execute
  SqlFailure failure = {};
  Error error = {};
};

// One of several transactions of one statement that are committed together. Borrowed.
struct GroupMember {
  const SqlCommand* command = nullptr;
  const TransactionStep* step = nullptr;
  std::int64_t completed_at_ms = 0;
};

struct GroupVerdict {
  std::vector<StepRecord> recorded;   // of each, in their order; none: nothing has taken effect
  std::optional<std::size_t> failed;  // then: because of whom, where it was one of them
};

class TransactionStorage {
 public:
  virtual ~TransactionStorage() = default;

  // True: the application database is the system database, and a commit is fenced. False: its own record decides, and
  // the row of the system database has to follow.
  virtual bool same_database() const = 0;

  virtual void Begin(const TransactionMode& mode, absl::Time deadline) = 0;
  // The next Run, Fetch, Savepoint or Commit runs them before, in the same round trip; see SqlSession. Borrowed until
  // then. Sends nothing. After it has been true to its first half, the second makes no difference.
  virtual absl::Status Defer(const std::vector<SqlCommand>& commands) = 0;
  virtual absl::StatusOr<SqlAnswer> Run(const SqlCommand& command) = 0;
  virtual absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) = 0;
  virtual absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) = 0;
  // `step`, if any, is recorded with `outcome`.
  virtual absl::StatusOr<CommitVerdict> Commit(const std::optional<TransactionStep>& step,
                                               const StepRecord& record) = 0;
  // After Begin: the whole transaction. The recorded value is that of EncodeRows.
  virtual absl::StatusOr<CommitVerdict> Execute(const SqlCommand& command, const std::optional<TransactionStep>& step,
                                                std::int64_t completed_at_ms) = 0;
  // The last Execute could as well have been one of a group: it records its step, and left nothing in the session.
  virtual bool could_group() const { return false; }
  // After Begin: all of them in one commit, in their order. Only of what Execute has run before, and says so.
  virtual absl::StatusOr<GroupVerdict> RunGroup(const std::vector<GroupMember>& /*group*/) { return GroupVerdict(); }
  virtual void RollBack() = 0;

  // False: nothing was sent, and the call itself has to be made, which may block.
  virtual bool SendRun(const SqlCommand& /*command*/) { return false; }
  virtual bool SendCommit(const std::optional<TransactionStep>& /*step*/, const StepRecord& /*record*/) {
    return false;
  }
  virtual bool SendExecute(const SqlCommand& /*command*/, const std::optional<TransactionStep>& /*step*/,
                           std::int64_t /*completed_at_ms*/) {
    return false;
  }
  virtual bool SendGroup(const std::vector<GroupMember>& /*group*/) { return false; }
  virtual SqlArrival Poll() { return SqlArrival::kMayBlock; }
  virtual SqlWait WaitsFor() { return {}; }

  // What is recorded for the step in the application database; a verdict about kRecordedBefore or kRefused, or nothing.
  virtual absl::StatusOr<std::optional<CommitVerdict>> Recorded(const TransactionStep& step) = 0;

  virtual void Interrupt() = 0;

  // The session has something that another transaction must not find. It is to be closed once its transaction is over.
  virtual bool spent() const { return false; }
};

// Opens nothing by itself. Errors: FailedPrecondition, naming the key, where there is no application database;
// Unavailable while it cannot be reached.
using TransactionStorageFactory = std::function<absl::StatusOr<std::unique_ptr<TransactionStorage>>()>;

}  // namespace dbos::sidecar
