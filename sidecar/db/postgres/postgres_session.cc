#include "sidecar/db/postgres/postgres_session.h"

#include <utility>

#include "sidecar/base/status.h"
#include "sidecar/db/postgres/postgres_errors.h"

namespace dbos::sidecar {
namespace {

// CockroachDB tells its version in this parameter when a session begins; its URLs are PostgreSQL's.
constexpr char kCockroachParameter[] = "crdb_version";

}  // namespace

absl::StatusOr<PostgresSession> OpenPostgresSession(const PostgresParameters& parameters,
                                                    const PasswordSource& password) {
  PostgresParameters complete = parameters;
  if (password && complete.Get("password").empty()) {
    ASSIGN_OR_RETURN(const std::string secret, password());
    complete.Set("password", secret);
  }
  const PostgresParameters::Arrays arrays = complete.ToArrays();
  PostgresSession session(PQconnectdbParams(arrays.keywords.data(), arrays.values.data(), 0));
  if (PQstatus(session.get()) != CONNECTION_OK) return ConnectError(PQerrorMessage(session.get()));
  PQsetNoticeProcessor(
      session.get(), [](void*, const char*) {}, nullptr);
  return session;
}

Dialect DialectOf(const PostgresSession& session, const PostgresParameters& parameters, const std::string& schema) {
  const bool cockroach = PQparameterStatus(session.get(), kCockroachParameter) != nullptr;
  Dialect dialect = cockroach ? CockroachDialect(schema) : PostgresDialect(schema);
  if (!parameters.notify) dialect.notify = Dialect::Notify::kNo;
  return dialect;
}

}  // namespace dbos::sidecar
