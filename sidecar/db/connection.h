// Connection: one session with a database, opened by the first call that needs it. A broken one is thrown away and the
// next call opens another.
//
// Threads:  one at a time.
// Blocking: every call blocks for one round trip, or until a lock is granted (10 s at most for a writer).
// Errors:   Unavailable         the connection failed or was lost; a commit may or may not have happened
//           Aborted             a serialization failure or deadlock in each of ten tries, or a lock timeout: nothing
//           was
//                               written, try again
//           InvalidArgument,
//           AlreadyExists       the database refuses this very data; nothing was written (see IsRefusedData)
//           DeadlineExceeded    the statement ran longer than the reader's limit
//           ResourceExhausted   the disk is full
//           FailedPrecondition  the database cannot be written or lacks our tables
//           Internal            anything else
//           No message ever contains a password.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/base/meanwhile.h"
#include "sidecar/db/dialect.h"
#include "sidecar/db/query.h"
#include "sidecar/db/result.h"

namespace dbos::sidecar {

enum class ConnectionRole {
  kWriter,      // pinned plans; takes the write lock when a batch begins
  kReader,      // the planner's choice; statements are cut off after 30 s
  kMigration,   // the server's defaults, but for what its schema changes need
  kInspection,  // reads a database that may be nobody's of ours: creates nothing, sets nothing
};

class Connection {
 public:
  virtual ~Connection() = default;

  // Runs all statements in order in one transaction and returns the result of each. On PostgreSQL BEGIN, statements and
  // COMMIT travel together in one round trip.
  virtual absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements,
                                                       const Meanwhile& meanwhile) = 0;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements) {
    return RunBatch(statements, {});
  }

  // Sends what RunBatch would send, if that takes no waiting; a RunBatch with the same statements, which must stay
  // where they are, has to follow. Where it is not possible nothing happens, and that RunBatch does it all. One at a
  // time. Other calls may come in between, and `at_commit` of the batch before it may call this: it is a transaction by
  // itself, which the server runs after that batch whatever becomes of it.
  virtual void SendBatch(std::span<const Statement> /*statements*/) {}

  // Runs one statement by itself.
  virtual absl::StatusOr<Result> Execute(const Statement& statement) = 0;

  // Runs SQL text with any number of statements and returns the last one's rows. Transactions are the text's business;
  // one that an error left open is rolled back. See error_offset.h for where in the text an error is.
  virtual absl::StatusOr<Result> RunScript(const std::string& sql) = 0;

  // What the server at the other end understands: PostgreSQL and CockroachDB have the same URLs, and only a connection
  // knows which it has reached. The other calls follow it by themselves.
  virtual absl::StatusOr<Dialect> ServerDialect() = 0;
};

// True for errors that only concern the data of one statement, so that the rest of a batch can go on without it.
inline bool IsRefusedData(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsAlreadyExists(status);
}

}  // namespace dbos::sidecar
