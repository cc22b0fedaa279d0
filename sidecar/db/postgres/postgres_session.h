// One session of libpq, and what the server at its other end understands.
#pragma once

#include <memory>
#include <string>

#include <libpq-fe.h>

#include "absl/status/statusor.h"

#include "sidecar/db/dialect.h"
#include "sidecar/db/options.h"
#include "sidecar/db/postgres/postgres_url.h"

namespace dbos::sidecar {

struct ClosePostgresSession {
  void operator()(PGconn* session) const { PQfinish(session); }
};
using PostgresSession = std::unique_ptr<PGconn, ClosePostgresSession>;

struct FreePostgresResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PostgresResult = std::unique_ptr<PGresult, FreePostgresResult>;

// `password` is asked if the parameters hold none; it may be null. Errors: those of ConnectError, and the password's.
// Blocking: until it is open, `connect_timeout` for each host.
absl::StatusOr<PostgresSession> OpenPostgresSession(const PostgresParameters& parameters,
                                                    const PasswordSource& password);

Dialect DialectOf(const PostgresSession& session, const PostgresParameters& parameters, const std::string& schema);

}  // namespace dbos::sidecar
