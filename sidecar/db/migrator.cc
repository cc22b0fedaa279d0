#include "sidecar/db/migrator.h"

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "migrations/embedded_migrations.h"
#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr int kWholeSchema = 0;
constexpr int kOldestSharedVersion = 99;
constexpr absl::Duration kLockWaitMax = absl::Seconds(60);
constexpr absl::Duration kLockPoll = absl::Milliseconds(100);

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

// The same number that the SDKs use. It is polled for: a session that waits for it inside a statement would hold a
// snapshot, on which a concurrent index build of the other migrator waits in turn.
constexpr char kTryLock[] = "SELECT pg_try_advisory_lock(1234567890)";

class Migrator {
 public:
  Migrator(const Dialect& dialect, Connection& connection) : dialect_(dialect), connection_(connection) {}

  absl::StatusOr<int> Run() {
    ASSIGN_OR_RETURN(int version, ReadSchemaVersion(dialect_, connection_));
    if (version < kSchemaVersion) {
      RETURN_IF_ERROR(TakeLock());
      ASSIGN_OR_RETURN(version, ReadSchemaVersion(dialect_, connection_));  // another migrator may have been here
      ASSIGN_OR_RETURN(version, MigrateFrom(version));
      RETURN_IF_ERROR(Finish());
    }
    if (version > kSchemaVersion) {
      Log(LogLevel::kInfo, "the system database is newer than this sidecar; running on it",
          {{"version", absl::StrCat(version)}, {"known", absl::StrCat(kSchemaVersion)}});
    }
    return version;
  }

 private:
  absl::StatusOr<int> MigrateFrom(int version) {
    if (version >= kSchemaVersion) return version;
    if (version == 0) return Create();
    if (version < kOldestSharedVersion) return TooOld(version);
    for (int next = version + 1; next <= kSchemaVersion; ++next) RETURN_IF_ERROR(Apply(next));
    return kSchemaVersion;
  }

  absl::Status TakeLock() {
    const absl::Time give_up = absl::Now() + kLockWaitMax;
    while (true) {
      ASSIGN_OR_RETURN(const bool locked, TryLock());
      if (locked) return absl::OkStatus();
      if (absl::Now() > give_up) {
        return absl::UnavailableError("another process has been migrating this database for 60 s; try again later");
      }
      absl::SleepFor(kLockPoll);  // paces the polling of the lock
    }
  }

  absl::StatusOr<bool> TryLock() {
    if (dialect_.migration_lock == Dialect::MigrationLock::kNone) return true;
    const bool advisory = dialect_.migration_lock == Dialect::MigrationLock::kAdvisory;
    const absl::StatusOr<Result> locked = connection_.RunScript(advisory ? kTryLock : "BEGIN IMMEDIATE");
    if (absl::IsAborted(locked.status())) return false;
    RETURN_IF_ERROR(locked.status());
    return !advisory || (*locked)[0].Bool(0);
  }

  // An advisory lock goes with the connection.
  absl::Status Finish() {
    if (dialect_.migration_lock != Dialect::MigrationLock::kTransaction) return absl::OkStatus();
    return connection_.RunScript("COMMIT").status();
  }

  std::string InTransaction(const std::string& text) const {
    if (dialect_.migration_lock == Dialect::MigrationLock::kTransaction) return text;  // it is open already
    return absl::StrCat("BEGIN;\n", text, ";\nCOMMIT");
  }

  absl::StatusOr<int> Create() {
    RETURN_IF_ERROR(CreateSchema());
    const std::string text = absl::StrCat(Text(kWholeSchema), ";\n", SetVersion(kSchemaVersion));
    const absl::Status created = connection_.RunScript(InTransaction(text)).status();
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

  // CREATE SCHEMA IF NOT EXISTS asks for the right to create even when the schema is there.
  absl::Status CreateSchema() {
    if (dialect_.schema_name.empty()) return absl::OkStatus();
    const Statement exists(kSchemaExists, {std::string_view(dialect_.schema_name)});
    ASSIGN_OR_RETURN(const Result found, connection_.Execute(exists));
    if (found.size() > 0) return absl::OkStatus();
    const std::string quoted = dialect_.schema.substr(0, dialect_.schema.size() - 1);
    return connection_.RunScript(absl::StrCat("CREATE SCHEMA IF NOT EXISTS ", quoted)).status();
  }

  absl::Status Apply(int version) {
    const std::string text = Text(version);
    const bool online = !dialect_.concurrently.empty() && absl::StrContains(text, dialect_.concurrently);
    if (online) {
      RETURN_IF_ERROR(DropInvalidIndexes());
      RETURN_IF_ERROR(connection_.RunScript(text).status());
    }
    const std::string body = online ? "" : absl::StrCat(text, ";\n");
    RETURN_IF_ERROR(connection_.RunScript(InTransaction(absl::StrCat(body, SetVersion(version)))).status());
    Log(LogLevel::kInfo, "system database migrated", {{"version", absl::StrCat(version)}});
    return absl::OkStatus();
  }

  absl::Status DropInvalidIndexes() {
    const Statement find(kInvalidIndexes, {std::string_view(dialect_.schema_name)});
    ASSIGN_OR_RETURN(const Result indexes, connection_.Execute(find));
    for (std::size_t n = 0; n < indexes.size(); ++n) {
      RETURN_IF_ERROR(
          connection_.RunScript(absl::StrCat("DROP INDEX CONCURRENTLY IF EXISTS ", dialect_.schema, indexes[n].Text(0)))
              .status());
    }
    return absl::OkStatus();
  }

  // One row, always: the SDKs change it without a condition.
  std::string SetVersion(int version) const {
    const std::string table = absl::StrCat(dialect_.schema, "dbos_migrations");
    return absl::StrCat("DELETE FROM ", table, "; INSERT INTO ", table, " (version) VALUES (", version, ")");
  }

  std::string Text(int version) const {
    const EmbeddedMigration* found = nullptr;
    for (const EmbeddedMigration& migration : EmbeddedMigrations()) {
      if (migration.version != version) continue;
      if (migration.dialect == dialect_.migrations || (migration.dialect[0] == '\0' && found == nullptr))
        found = &migration;
    }
    return found == nullptr ? "SELECT 1" : ExpandSql(dialect_, found->sql);  // nothing to do on this database
  }

  static absl::Status TooOld(int version) {
    return absl::FailedPreconditionError(
        absl::StrCat("the system database is at version ", version,
                     ", made by an older DBOS SDK; versions below 99 differ between the "
                     "SDKs and are not migrated here. Start its application once with its own SDK at a current "
                     "release, then try again"));
  }

  const Dialect& dialect_;
  Connection& connection_;
};

}  // namespace

absl::StatusOr<int> ReadSchemaVersion(const Dialect& dialect, Connection& connection) {
  ASSIGN_OR_RETURN(const Result exists, connection.RunScript(dialect.ledger_exists));
  if (exists.size() == 0 || exists[0].IsNull(0)) return 0;
  ASSIGN_OR_RETURN(const Result version,
                   connection.RunScript(absl::StrCat("SELECT MAX(version) FROM ", dialect.schema, "dbos_migrations")));
  return static_cast<int>(version[0].Int(0));
}

absl::StatusOr<int> Migrate(const Database& database) {
  RETURN_IF_ERROR(database.create_if_missing());
  const std::unique_ptr<Connection> connection = database.connect(ConnectionRole::kMigration);
  ASSIGN_OR_RETURN(const Dialect dialect, connection->ServerDialect());
  return Migrator(dialect, *connection).Run();  // closing the connection gives the lock back
}

}  // namespace dbos::sidecar
