// SqlSession: one session with the application database, for users' transactions. Opened by the first call that needs
// it; a broken one is thrown away and the next transaction opens another.
//
// What the database has against a statement is an answer (SqlFailure), not an error of the call. After one, the
// transaction takes nothing more until it is rolled back, or back to a savepoint: SQLite's as well.
//
// A thread that must not block makes some of the calls in two halves: SendRun sends what Run would send; when Poll
// says so Run takes the answer, with the same arguments, and does all else that Run does. Likewise the others.
//
// Threads:  one at a time; Interrupt from any.
// Blocking: every call but Begin, Interrupt, the Sends and Poll, up to the transaction's deadline, after which it is
//           DeadlineExceeded; where it has to connect, up to connect_timeout more.
// Errors:   Aborted             the connection failed or was lost, and the transaction with it: nothing of it was
//                               committed. Of Execute: it met another (see Connection)
//           Unavailable         it was lost after COMMIT was sent, which may have happened. Of Execute and RunScript:
//                               the connection failed or was lost
//           DeadlineExceeded    the transaction's time is over, or it was interrupted; it was rolled back
//           ResourceExhausted   more rows than fit; rolled back
//           anything else       a fault of the session; rolled back
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/db/dialect.h"
#include "sidecar/db/query.h"
#include "sidecar/db/result.h"
#include "sidecar/model/named_parameters.h"
#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

using SqlAnswer = std::variant<SqlRows, SqlFailure>;
using SqlOutcome = std::variant<std::string, SqlFailure>;
using SqlValues = std::vector<const SqlValue*>;  // one for each name, never null; borrowed

// Of the answer to what was sent. kAll: the call that takes it does not block. kMayBlock: it may.
enum class SqlArrival { kNotYet, kAll, kMayBlock };

// One of several statements that are committed together: what RunAndCommit takes of it. Borrowed.
struct SqlGroupMember {
  const NamedSql* sql = nullptr;
  const SqlValues* values = nullptr;
  const Statement* record = nullptr;
};

struct SqlGroupOutcome {
  std::vector<std::string> outcomes;  // of each, in their order; none: nothing was committed
  SqlFailure failure = {};            // then
  std::optional<std::size_t> failed;  // whose; none: the commit's
};

// What a session waits for: its socket to become readable, or writable as well. Negative: there is none.
struct SqlWait {
  int socket = -1;
  bool for_writing = false;
};

enum class SavepointAction { kSet, kRelease, kRollBack };

class SqlSession {
 public:
  virtual ~SqlSession() = default;

  // How to read the user's SQL.
  virtual SqlSyntax syntax() const = 0;

  // Begins a transaction; sent with its first statement. A session that was lost while it lay idle is opened again by
  // that statement, once. `rows_bytes_max`: of all rows that one call returns, and of RunAndCommit's outcome.
  virtual void Begin(const TransactionMode& mode, absl::Time deadline, std::size_t rows_bytes_max) = 0;

  // A statement whose answer nobody waits for: the next Run, OpenCursor, Fetch, Savepoint or Commit of the transaction
  // runs it before, in the same round trip. Its rows are dropped. When it fails, that call answers with its failure,
  // whose `deferred` is its number from 1, and what follows it has not run. Both are borrowed until then.
  virtual void Defer(const NamedSql& sql, const SqlValues& values) = 0;
  virtual absl::StatusOr<SqlAnswer> Run(const NamedSql& sql, const SqlValues& values) = 0;
  // The first rows of a cursor: at most `rows`, and fewer where they are large (CursorPage); `more` says whether others
  // may follow. Closes the one before. On PostgreSQL only for what a cursor can hold (SELECT, VALUES,
  // WITH that writes nothing); its failure says so.
  virtual absl::StatusOr<SqlAnswer> OpenCursor(const NamedSql& sql, const SqlValues& values, std::uint32_t rows) = 0;
  // InvalidArgument without a cursor.
  virtual absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) = 0;
  // Savepoints are nested; see savepoint.action of the protocol. InvalidArgument without one.
  virtual absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) = 0;

  // Runs `record`, if there is one, and COMMIT, in one round trip. A failure means that nothing was committed.
  virtual absl::StatusOr<SqlAnswer> Commit(const Statement* record) = 0;

  // After Begin: one statement, its record and COMMIT. The text of `record`, which has no {rows}, has {result} where
  // the outcome of EncodeRows goes, a text; what it returns is not looked at. On PostgreSQL one round trip, except
  // where the statement cannot be part of another (WITH that writes, DDL) or is new to the process. Without `record`:
  // the statement alone. The outcome, or a failure with nothing committed.
  virtual absl::StatusOr<SqlOutcome> RunAndCommit(const NamedSql& sql, const SqlValues& values,
                                                  const Statement* record) = 0;

  // The last RunAndCommit could as well have been one of a group.
  virtual bool could_group() const { return false; }
  // After Begin: all of them, each with its record, in this order and in one commit. None of them waits long for a
  // lock, nor runs for long: it fails first. Only for what RunAndCommit has run before, and says so.
  virtual absl::StatusOr<SqlGroupOutcome> RunGroup(const std::vector<SqlGroupMember>& group) = 0;

  // False: nothing was sent, and the call itself has to be made, which may block.
  virtual bool SendRun(const NamedSql& /*sql*/, const SqlValues& /*values*/) { return false; }
  virtual bool SendCommit(const Statement* /*record*/) { return false; }
  virtual bool SendRunAndCommit(const NamedSql& /*sql*/, const SqlValues& /*values*/, const Statement* /*record*/) {
    return false;
  }
  virtual bool SendGroup(const std::vector<SqlGroupMember>& /*group*/) { return false; }
  // After one of these was true: what there is of the answer, and what to wait for until there is more.
  virtual SqlArrival Poll() { return SqlArrival::kMayBlock; }
  virtual SqlWait WaitsFor() { return {}; }

  // Undoes the open transaction, if any; never fails: a session that cannot is thrown away.
  virtual void RollBack() = 0;

  // One of our own statements, outside of a transaction.
  virtual absl::StatusOr<Result> Execute(const Statement& statement) = 0;
  // Any number of statements, outside of a transaction.
  virtual absl::Status RunScript(const std::string& sql) = 0;

  // Ends the statement that runs now, if one does.
  virtual void Interrupt() = 0;
};

}  // namespace dbos::sidecar
