// What a start does about the version of the system tables: makes them, checks them, or leaves them alone.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/open.h"
#include "sidecar/server/config.h"

namespace dbos::sidecar {

// The version that the tables have when we begin, as `config.migrations` has it. Blocking: one try.
// Errors: Unavailable         the database cannot be reached now
//         anything else       is for people, and trying again does not help; the message names the fix
absl::StatusOr<int> PrepareSchema(const Config& config, const Database& database);

// The version of the tables, 0 for none, also where there is no such SQLite file. Changes nothing.
absl::StatusOr<int> InspectSchema(const Database& database);

}  // namespace dbos::sidecar
