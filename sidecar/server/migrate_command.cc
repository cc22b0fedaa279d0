// `dbos-sidecar migrate`: makes or updates the system tables, or prints the SQL that would.
#include <cstdio>
#include <memory>
#include <utility>

#include "sidecar/base/status.h"
#include "sidecar/db/grants.h"
#include "sidecar/db/migrator.h"
#include "sidecar/server/commands.h"
#include "sidecar/server/database.h"
#include "sidecar/server/exit_codes.h"
#include "sidecar/server/schema_version.h"
#include "sidecar/store/transaction_store.h"

namespace dbos::sidecar {
namespace {

// The script that brings this database to our version, as it is now or as `from` says it is.
absl::StatusOr<std::string> Script(const Database& database, std::optional<int> from) {
  if (from) return MigrationScript(database.dialect, *from, {});
  ASSIGN_OR_RETURN(const int version, InspectSchema(database));
  if (version == 0 && !database.sqlite_path.empty()) return MigrationScript(database.dialect, version, {});
  const std::unique_ptr<Connection> connection = database.connect(ConnectionRole::kInspection);
  ASSIGN_OR_RETURN(const Dialect dialect, connection->ServerDialect());
  ASSIGN_OR_RETURN(const std::vector<std::string> invalid, FindInvalidIndexes(dialect, *connection));
  return MigrationScript(dialect, version, invalid);
}

int Print(const Database& database, const MigrateRequest& request) {
  absl::StatusOr<std::string> script = Script(database, request.from);
  if (absl::IsUnavailable(script.status())) {
    return Fail(kExitDatabase, absl::UnavailableError(Message(script.status()) +
                                                      "; --from 0 prints the whole schema without looking there"));
  }
  if (!script.ok()) return Fail(kExitDatabase, script.status());
  if (!request.app_role.empty()) {
    *script += "\n-- rights of the role that the sidecar runs as\n";
    for (const std::string& grant : GrantStatements(database.dialect, request.app_role)) *script += grant + ";\n";
  }
  if (!request.sql_role.empty()) {
    *script += "\n-- the right of the application's role to record its transactions\n";
    for (const std::string& grant : TransactionGrantStatements(database.dialect, request.sql_role)) {
      *script += grant + ";\n";
    }
  }
  std::fputs(script->c_str(), stdout);
  return kExitOk;
}

}  // namespace

int MigrateCommand(Config config, const MigrateRequest& request) {
  ConfigureLogging(config.log_format, config.log_level);
  config.migrations = Migrations::kAuto;  // asked for by name
  const absl::StatusOr<Database> database = OpenSystemDatabase(config);
  if (!database.ok()) return Fail(kExitDatabase, database.status());
  const bool for_roles = !request.app_role.empty() || !request.sql_role.empty();
  if (for_roles && database->dialect.schema_name.empty()) {
    return Fail(kExitUsage, absl::InvalidArgumentError("SQLite has no roles: leave out --app-role and --sql-role"));
  }
  if (request.print) return Print(*database, request);
  Signals signals;
  auto lock = LockDatabase(config);
  if (!lock.ok()) return Fail(kExitDatabase, lock.status());
  const absl::StatusOr<int> version = AwaitDatabase(config, signals);
  if (!version.ok()) return Fail(kExitDatabase, version.status());
  std::printf("%s is at schema version %d\n", DescribeDatabase(config.system_database_url).c_str(), *version);
  if (!request.app_role.empty()) {
    const absl::Status granted = GrantRunTimeRole(*database, request.app_role);
    if (!granted.ok()) return Fail(absl::IsInvalidArgument(granted) ? kExitUsage : kExitDatabase, granted);
    std::printf("the role \"%s\" may run the sidecar, with sidecar.migrations: verify\n", request.app_role.c_str());
  }
  if (!request.sql_role.empty()) {
    const absl::Status granted = GrantTransactions(*database, request.sql_role);
    if (!granted.ok()) return Fail(absl::IsInvalidArgument(granted) ? kExitUsage : kExitDatabase, granted);
    std::printf("the role \"%s\" may record its transactions, and nothing else here\n", request.sql_role.c_str());
  }
  return kExitOk;
}

}  // namespace dbos::sidecar
