// PostgresLink: one libpq connection: opening it, and waiting for its answers until a deadline.
//
// Threads:  one at a time.
// Blocking: Open, Apply, Await, Receive, RollBackIfOpen.
// Errors:   those of postgres_errors.h; DeadlineExceeded when an answer did not come in time. What lost the connection
//           has closed it.
#pragma once

#include <memory>
#include <string>

#include <libpq-fe.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/db/dialect.h"
#include "sidecar/db/options.h"
#include "sidecar/db/postgres/postgres_url.h"
#include "sidecar/db/result.h"

namespace dbos::sidecar {

struct FreePostgresResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PostgresResult = std::unique_ptr<PGresult, FreePostgresResult>;

bool IsOk(const PGresult* result);
Result ToResult(const PGresult* from);

class PostgresLink {
 public:
  // `password` null: the parameters', or libpq's own ways.
  PostgresLink(PostgresParameters parameters, PasswordSource password)
      : parameters_(std::move(parameters)), password_(std::move(password)) {}

  bool is_open() const { return connection_ != nullptr; }
  PGconn* get() const { return connection_.get(); }
  int socket() const { return PQsocket(connection_.get()); }  // negative when it is not open
  const PostgresParameters& parameters() const { return parameters_; }
  // CockroachDB tells its version when a session begins; its URLs are PostgreSQL's.
  bool is_cockroach() const;
  // What the server understands, and may be asked for.
  Dialect DialectOf(const std::string& schema) const;

  // Opens the connection and sends `settings`, which may be empty.
  absl::Status Open();
  absl::Status Apply(const std::string& settings);
  void Close();
  // Closes it, and says why.
  absl::Status Lost();
  // Closes it if the server has ended the session while it was idle.
  void CloseIfEnded();

  // Takes in what has come.
  absl::Status TakeIn();
  // Waits until there is something to take in, and does so; goes on sending meanwhile. Readable `wake` ends it as the
  // deadline does.
  absl::Status Await(absl::Time deadline, int wake);
  // The next result, or null where one command's results end.
  absl::StatusOr<PostgresResult> Receive(absl::Time deadline = absl::InfiniteFuture());

  bool InTransaction() const;
  // Closes it where that fails or takes longer.
  void RollBackIfOpen(absl::Time deadline = absl::InfiniteFuture());

 private:
  struct CloseConnection {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  const PostgresParameters parameters_;
  const PasswordSource password_;
  std::unique_ptr<PGconn, CloseConnection> connection_;  // null: not connected
};

}  // namespace dbos::sidecar
