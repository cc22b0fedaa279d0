// Connection: one session with a database, opened by the first call that needs it. A broken one is thrown away and the
// next call opens another.
//
// Threads:  one at a time.
// Blocking: every call blocks for one round trip, or until a lock is granted (10 s at most for a writer).
// Errors:   Unavailable         the connection failed or was lost; a commit may or may not have happened
//           Aborted             a serialization failure, deadlock or lock timeout: nothing was written, try again
//           InvalidArgument,
//           AlreadyExists       the database refuses this very data; nothing was written (see IsRefusedData)
//           DeadlineExceeded    the statement ran longer than the reader's limit
//           ResourceExhausted   the disk is full
//           FailedPrecondition  the database cannot be written or lacks our tables
//           Internal            anything else
//           No message ever contains a password.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/query.h"
#include "sidecar/db/result.h"

namespace dbos::sidecar {

enum class ConnectionRole {
  kWriter,      // pinned plans; takes the write lock when a batch begins
  kReader,      // the planner's choice; statements are cut off after 30 s
  kMigration,   // the server's defaults
  kInspection,  // reads a database that may be nobody's of ours: creates nothing, sets nothing
};

class Connection {
 public:
  // Called once in a while that would otherwise be spent waiting for the database. May be empty.
  using Meanwhile = std::function<void()>;

  virtual ~Connection() = default;

  // Runs all statements in order in one transaction and returns the result of each. On PostgreSQL BEGIN, statements and
  // COMMIT travel together in one round trip. `meanwhile` runs at most once: before a connection has to be made, else
  // when everything is sent; where nothing is sent, before everything.
  virtual absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements,
                                                       const Meanwhile& meanwhile) = 0;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements) {
    return RunBatch(statements, {});
  }

  // Sends what RunBatch would send, if that takes no waiting; the next call must then be RunBatch with the same
  // statements. Where it is not possible nothing happens, and that RunBatch does it all.
  virtual void SendBatch(std::span<const Statement> /*statements*/) {}

  // Runs one statement by itself.
  virtual absl::StatusOr<Result> Execute(const Statement& statement) = 0;

  // Runs SQL text with any number of statements and returns the last one's rows. Transactions are the text's business;
  // one that an error left open is rolled back.
  virtual absl::StatusOr<Result> RunScript(const std::string& sql) = 0;
};

// True for errors that only concern the data of one statement, so that the rest of a batch can go on without it.
inline bool IsRefusedData(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsAlreadyExists(status);
}

}  // namespace dbos::sidecar
