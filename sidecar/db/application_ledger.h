// ApplicationLedger: which of the user's migrations an application database has had, in a table of ours.
//
// Threads, blocking: as Connection.
// Errors: those of Connection; Create adds the fix where the role may not.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"
#include "sidecar/model/migration_plan.h"

namespace dbos::sidecar {

class ApplicationLedger {
 public:
  // Both outlive it.
  ApplicationLedger(const Dialect& dialect, Connection& connection) : dialect_(dialect), connection_(connection) {}

  absl::StatusOr<bool> Exists();
  // Does nothing where it exists.
  absl::Status Create();
  absl::StatusOr<std::vector<AppliedMigration>> Read();

  // A row for `file`, by way of `connection`, whose transaction may be the file's. AlreadyExists: there is one.
  static absl::Status Add(Connection& connection, const MigrationFile& file, MigrationState state);
  // How the row of a file that was begun ends.
  absl::Status Finish(const MigrationFile& file, MigrationState state, std::int64_t duration_ms,
                      const std::string& error);
  absl::Status Remove(const MigrationFile& file);

 private:
  const Dialect& dialect_;
  Connection& connection_;
};

}  // namespace dbos::sidecar
