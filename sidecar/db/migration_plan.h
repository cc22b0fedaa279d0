// The steps that bring a system database from one version to ours, as SQL text. Nothing here talks to a database.
//
// Threads: any.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/db/dialect.h"

namespace dbos::sidecar {

inline constexpr int kSchemaVersion = 123;

struct MigrationStep {
  int version = 0;          // recorded when the step is done
  std::string online;       // runs by itself, outside a transaction and first; repeating it does no harm. May be empty
  std::string transaction;  // what changes and records the version, as one transaction without its BEGIN and COMMIT
};

// From version 0, an empty database, one step makes the whole schema. FailedPrecondition: 1 to 98 were made by an older
// SDK, whose private history we do not replay; the message names the fix.
absl::StatusOr<std::vector<MigrationStep>> PlanMigrations(const Dialect& dialect, int from);

std::string CreateSchemaSql(const Dialect& dialect);
std::string DropIndexSql(const Dialect& dialect, const std::string& quoted_index);

// The same as a script for psql or sqlite3. `invalid_indexes`: quoted names of what interrupted builds left.
absl::StatusOr<std::string> MigrationScript(const Dialect& dialect, int from,
                                            const std::vector<std::string>& invalid_indexes);

}  // namespace dbos::sidecar
