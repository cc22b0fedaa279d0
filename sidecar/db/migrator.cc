#include "sidecar/db/migrator.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"
#include "sidecar/db/migration_lock.h"
#include "sidecar/db/other_schemas.h"

namespace dbos::sidecar {
namespace {

constexpr Query kSchemaExists = {
    .name = "schema_exists",
    .args = "schema text",
    .rows = "",
    .sql = "SELECT 1 FROM information_schema.schemata WHERE schema_name = $1",
};

// What interrupted concurrent index builds left behind.
constexpr Query kInvalidIndexes = {
    .name = "invalid_indexes",
    .args = "schema text",
    .rows = "",
    .sql = R"(
SELECT quote_ident(c.relname) FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND NOT x.indisvalid)",
};

class Migrator {
 public:
  Migrator(const Dialect& dialect, Connection& connection, const std::string& application)
      : dialect_(dialect), connection_(connection), application_(application), lock_(dialect, connection) {}

  absl::StatusOr<int> Run() {
    absl::StatusOr<int> version = MigrateIfBehind();
    if (absl::IsPermissionDenied(version.status())) return NotAllowed(version.status());
    if (version.ok() && *version > kSchemaVersion) {
      Log(LogLevel::kInfo, "the system database is newer than this sidecar; running on it",
          {{"version", absl::StrCat(*version)}, {"known", absl::StrCat(kSchemaVersion)}});
    }
    return version;
  }

 private:
  absl::StatusOr<int> MigrateIfBehind() {
    ASSIGN_OR_RETURN(const int version, ReadSchemaVersion(dialect_, connection_));
    if (version >= kSchemaVersion) return version;
    RETURN_IF_ERROR(lock_.Take());
    absl::StatusOr<int> reached = MigrateUnderLock();
    // After a failure nothing is left of a lock that is a transaction; what has an expiry need not be waited for.
    const bool give_back = reached.ok() || dialect_.migration_lock == Dialect::MigrationLock::kRow;
    const absl::Status released = give_back ? lock_.Release() : absl::OkStatus();
    RETURN_IF_ERROR(reached.status());
    RETURN_IF_ERROR(released);
    return reached;
  }

  absl::StatusOr<int> MigrateUnderLock() {
    ASSIGN_OR_RETURN(const int version, ReadSchemaVersion(dialect_, connection_));  // another may have been here
    return MigrateFrom(version);
  }

  absl::StatusOr<int> MigrateFrom(int version) {
    ASSIGN_OR_RETURN(const std::vector<MigrationStep> steps, PlanMigrations(dialect_, version));
    if (version == 0) return Create(steps.front());
    for (const MigrationStep& step : steps) {
      // An SDK that takes no lock may have come here first.
      RETURN_IF_ERROR(lock_.Renew());
      ASSIGN_OR_RETURN(version, ReadSchemaVersion(dialect_, connection_));
      if (version < step.version) RETURN_IF_ERROR(Apply(step));
    }
    return ReadSchemaVersion(dialect_, connection_);
  }

  absl::Status NotAllowed(const absl::Status& why) {
    if (dialect_.schema_name.empty()) return why;  // a file: its mode is in the message
    ASSIGN_OR_RETURN(const Result role, connection_.RunScript("SELECT current_user"));
    const std::string name = role[0].Text(0);
    return absl::PermissionDeniedError(
        absl::StrCat("the role \"", name, "\" may not bring the system database (schema \"", dialect_.schema_name,
                     "\") to version ", kSchemaVersion, " (", Message(why), "): run dbos-sidecar migrate --app-role ",
                     name, " with the URL of a role that owns the tables, or may create them"));
  }

  std::string InTransaction(const std::string& text) const {
    if (dialect_.migration_lock == Dialect::MigrationLock::kTransaction) return text;  // it is open already
    return absl::StrCat("BEGIN;\n", text, "COMMIT");
  }

  absl::StatusOr<int> Create(const MigrationStep& step) {
    RETURN_IF_ERROR(CheckOtherSchemas());
    RETURN_IF_ERROR(CreateSchema());
    const absl::Status created = connection_.RunScript(InTransaction(step.transaction)).status();
    if (absl::IsUnavailable(created) || absl::IsPermissionDenied(created) || absl::IsResourceExhausted(created)) {
      return created;
    }
    ASSIGN_OR_RETURN(const int version, ReadSchemaVersion(dialect_, connection_));
    if (version > 0) return version;  // a migrator that takes no lock was faster
    if (!created.ok()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the system database has no recorded version and its tables cannot be created: ", Message(created),
          "; if it holds DBOS tables already, start their application once with its own SDK"));
    }
    Log(LogLevel::kInfo, "system database created", {{"version", absl::StrCat(version)}});
    return version;
  }

  absl::Status CheckOtherSchemas() {
    if (application_.empty() || dialect_.schema_name.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::string other, OtherSchemaOf(application_, dialect_, connection_));
    if (other.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "the application \"", application_, "\" has run in schema \"", other, "\" of this database, and schema \"",
        dialect_.schema_name, "\" has no DBOS tables: its workflows would stay behind. Set dbos_system_schema to \"",
        other, "\"; another schema needs a fresh database, or a manual migration: make its tables with the script of ",
        "dbos-sidecar migrate --print --from 0, and move the rows"));
  }

  // CREATE SCHEMA IF NOT EXISTS asks for the right to create even when the schema is there.
  absl::Status CreateSchema() {
    if (dialect_.schema_name.empty()) return absl::OkStatus();
    const Statement exists(kSchemaExists, {std::string_view(dialect_.schema_name)});
    ASSIGN_OR_RETURN(const Result found, connection_.Execute(exists));
    if (found.size() > 0) return absl::OkStatus();
    return connection_.RunScript(CreateSchemaSql(dialect_)).status();
  }

  absl::Status Apply(const MigrationStep& step) {
    if (!step.online.empty()) {
      RETURN_IF_ERROR(DropInvalidIndexes());
      RETURN_IF_ERROR(connection_.RunScript(step.online).status());
    }
    RETURN_IF_ERROR(connection_.RunScript(InTransaction(step.transaction)).status());
    Log(LogLevel::kInfo, "system database migrated", {{"version", absl::StrCat(step.version)}});
    return absl::OkStatus();
  }

  absl::Status DropInvalidIndexes() {
    ASSIGN_OR_RETURN(const std::vector<std::string> indexes, FindInvalidIndexes(dialect_, connection_));
    for (const std::string& index : indexes) {
      RETURN_IF_ERROR(connection_.RunScript(DropIndexSql(dialect_, index)).status());
    }
    return absl::OkStatus();
  }

  const Dialect& dialect_;
  Connection& connection_;
  const std::string& application_;
  MigrationLock lock_;
};

}  // namespace

absl::StatusOr<int> ReadSchemaVersion(const Dialect& dialect, Connection& connection) {
  ASSIGN_OR_RETURN(const Result exists, connection.RunScript(dialect.ledger_exists));
  if (exists.size() == 0 || exists[0].IsNull(0)) return 0;
  ASSIGN_OR_RETURN(const Result version,
                   connection.RunScript(absl::StrCat("SELECT MAX(version) FROM ", dialect.schema, "dbos_migrations")));
  return static_cast<int>(version[0].Int(0));
}

absl::StatusOr<std::vector<std::string>> FindInvalidIndexes(const Dialect& dialect, Connection& connection) {
  std::vector<std::string> names;
  if (dialect.concurrently.empty()) return names;
  const Statement find(kInvalidIndexes, {std::string_view(dialect.schema_name)});
  ASSIGN_OR_RETURN(const Result indexes, connection.Execute(find));
  for (std::size_t n = 0; n < indexes.size(); ++n) names.push_back(indexes[n].Text(0));
  return names;
}

absl::StatusOr<int> Migrate(const Database& database, const std::string& application) {
  RETURN_IF_ERROR(database.create_if_missing());
  const std::unique_ptr<Connection> connection = database.connect(ConnectionRole::kMigration);
  ASSIGN_OR_RETURN(const Dialect dialect, connection->ServerDialect());
  return Migrator(dialect, *connection, application).Run();  // closing the connection gives the lock back
}

}  // namespace dbos::sidecar
