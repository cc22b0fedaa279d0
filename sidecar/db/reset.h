// Throwing a system database away, for development.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"

namespace dbos::sidecar {

// What would be lost, of all applications.
struct SystemContents {
  std::int64_t workflows = 0;
  std::int64_t active = 0;  // of them: not ended
  std::int64_t steps = 0;
};
absl::StatusOr<SystemContents> CountContents(const Dialect& dialect, Connection& connection);

// OK unless another session, of a sidecar or an SDK, is connected to this database: FailedPrecondition, with the
// process ids of the server. Such sessions are known by their application_name: "dbos_transact", or the one that we
// have.
absl::Status CheckNobodyElse(const Dialect& dialect, Connection& connection);

// Drops the tables and functions of DBOS, and our own schema, in one transaction. What else is in the schema stays; if
// it depends on our tables nothing is dropped. Rights that new tables get by default stay too.
absl::Status DropSystemTables(const Dialect& dialect, Connection& connection);

}  // namespace dbos::sidecar
