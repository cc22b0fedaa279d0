// The rights of the role that the sidecar runs as, when another one migrates. PostgreSQL and CockroachDB only.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

#include "sidecar/db/open.h"

namespace dbos::sidecar {

// What lets `role` read and write the rows of the system database, and nothing else: no DDL, no change of the ledger.
// The same for the tables that later migrations make, if the role that runs these statements runs them too.
std::vector<std::string> GrantStatements(const Dialect& dialect, const std::string& role);

// Runs them. Blocking: a few round trips.
// Errors:   NotFound            there is no such role; the message names the fix
//           InvalidArgument     the role is the one that migrates, or the database has no roles
//           PermissionDenied    this role may not grant
absl::Status GrantRunTimeRole(const Database& database, const std::string& role);

// Runs `statements` for a role that `flag` names. Errors as above.
absl::Status RunGrants(const Database& database, const std::string& role, const std::string& flag,
                       const std::vector<std::string>& statements);

}  // namespace dbos::sidecar
