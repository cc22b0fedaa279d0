#include "sidecar/db/migration_plan.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "migrations/embedded_migrations.h"
#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr int kWholeSchema = 0;
constexpr int kOldestSharedVersion = 99;

// Empty where there is nothing to do on this database.
std::string Text(const Dialect& dialect, int version) {
  const EmbeddedMigration* found = nullptr;
  std::string notify;
  for (const EmbeddedMigration& migration : EmbeddedMigrations()) {
    if (migration.version != version) continue;
    const bool shared = migration.dialect[0] == '\0';
    if (migration.dialect == dialect.migrations || (shared && found == nullptr)) found = &migration;
    if (absl::string_view(migration.dialect) == "notify" && dialect.notify == Dialect::Notify::kYes) {
      notify = ExpandSql(dialect, migration.sql);
    }
  }
  return found == nullptr ? "" : absl::StrCat(ExpandSql(dialect, found->sql), notify);
}

// One row, always, and never backwards: an SDK that takes no lock may be migrating too, and has come further. It
// changes the row without a condition, so the row is kept.
std::string RecordVersion(const Dialect& dialect, int version) {
  const std::string table = absl::StrCat(dialect.schema, "dbos_migrations");
  return absl::StrCat("UPDATE ", table, " SET version = ", version, " WHERE version < ", version, ";\nINSERT INTO ",
                      table, " (version) SELECT ", version, " WHERE NOT EXISTS (SELECT 1 FROM ", table, ");\n");
}

absl::Status TooOld(int version) {
  return absl::FailedPreconditionError(
      absl::StrCat("the system database is at version ", version,
                   ", made by an older DBOS SDK; versions below 99 differ between the SDKs and are not migrated here. "
                   "Start its application once with its own SDK at a current release, then try again"));
}

}  // namespace

absl::StatusOr<std::vector<MigrationStep>> PlanMigrations(const Dialect& dialect, int from) {
  if (from != kWholeSchema && from < kOldestSharedVersion) return TooOld(from);
  std::vector<MigrationStep> steps;
  if (from == kWholeSchema) {
    const std::string record = RecordVersion(dialect, kSchemaVersion);
    steps.push_back({kSchemaVersion, "", absl::StrCat(Text(dialect, kWholeSchema), record)});
    return steps;
  }
  for (int version = from + 1; version <= kSchemaVersion; ++version) {
    const std::string text = Text(dialect, version);
    const std::string record = RecordVersion(dialect, version);
    if (!dialect.concurrently.empty() && absl::StrContains(text, dialect.concurrently)) {
      steps.push_back({version, text, record});
    } else {
      steps.push_back({version, "", absl::StrCat(text, record)});
    }
  }
  return steps;
}

std::string CreateSchemaSql(const Dialect& dialect) {
  return absl::StrCat("CREATE SCHEMA IF NOT EXISTS ", QuoteIdentifier(dialect.schema_name));
}

std::string DropIndexSql(const Dialect& dialect, const std::string& quoted_index) {
  return absl::StrCat("DROP INDEX CONCURRENTLY IF EXISTS ", dialect.schema, quoted_index);
}

absl::StatusOr<std::string> MigrationScript(const Dialect& dialect, int from,
                                            const std::vector<std::string>& invalid_indexes) {
  ASSIGN_OR_RETURN(const std::vector<MigrationStep> steps, PlanMigrations(dialect, from));
  const bool at_once = dialect.migration_lock == Dialect::MigrationLock::kTransaction;
  std::string script = absl::StrCat(
      "-- DBOS system database (", dialect.migrations, "): from schema version ", from, " to ",
      steps.empty() ? from : kSchemaVersion, steps.empty() ? ", nothing to do" : "",
      "\n-- Run it with: ", at_once ? "sqlite3 -bail FILE < SCRIPT" : "psql -v ON_ERROR_STOP=1 -f SCRIPT DATABASE",
      ", while nothing else migrates.\n");
  if (steps.empty()) return script;
  if (from == kWholeSchema && !dialect.schema_name.empty()) absl::StrAppend(&script, CreateSchemaSql(dialect), ";\n");
  for (const std::string& index : invalid_indexes) absl::StrAppend(&script, DropIndexSql(dialect, index), ";\n");
  if (at_once) absl::StrAppend(&script, "BEGIN IMMEDIATE;\n");
  for (const MigrationStep& step : steps) {
    absl::StrAppend(&script, "\n-- version ", step.version, "\n", step.online);
    absl::StrAppend(&script, at_once ? "" : "BEGIN;\n", step.transaction, at_once ? "" : "COMMIT;\n");
  }
  if (at_once) absl::StrAppend(&script, "COMMIT;\n");
  return script;
}

}  // namespace dbos::sidecar
