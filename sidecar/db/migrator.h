// Migrator: brings a database to the version of the DBOS system database that this program knows.
//
// An empty database gets the whole schema in one transaction; one at 99 or above gets the shared migrations it lacks,
// each in one transaction with the version's change. An index change that must not block writers cannot run in a
// transaction: the version follows it, and repeating it does no harm. So an interrupted migrator is resumed by running
// another.
//
// Threads:  any; migrators of any number of processes may run at once, they take turns.
// Blocking: until done, or 60 s for another migrator.
// Errors:   FailedPrecondition  a version below 99 (made by an older SDK, whose private history we do not replay), or
//                               tables without a version, or another schema; the message names the fix
//           PermissionDenied    the role may not; the message names it and the command
//           Unavailable         no connection, or another migrator does not finish
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/migration_plan.h"
#include "sidecar/db/open.h"

namespace dbos::sidecar {

// 0: there is no system database yet.
absl::StatusOr<int> ReadSchemaVersion(const Dialect& dialect, Connection& connection);

// Quoted names of what interrupted concurrent index builds left in the schema.
absl::StatusOr<std::vector<std::string>> FindInvalidIndexes(const Dialect& dialect, Connection& connection);

// Also creates the database itself where it is missing and the role may. Returns the version it has now:
// kSchemaVersion, or a newer one that a newer SDK made, which we can run on.
// `application`: whose tables these are to be. If it has run in another schema of the database, no new ones are made;
// several applications may have schemas of their own. Empty: anybody's.
absl::StatusOr<int> Migrate(const Database& database, const std::string& application = "");

}  // namespace dbos::sidecar
