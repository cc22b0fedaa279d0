#include "sidecar/db/application_ledger.h"

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr char kTable[] = R"(
CREATE TABLE IF NOT EXISTS {application_ledger} (
  number TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  state TEXT NOT NULL,
  applied_at_ms BIGINT NOT NULL,
  duration_ms BIGINT,
  error TEXT
))";

constexpr Query kRead = {
    .name = "application_migrations",
    .args = "",
    .rows = "",
    .sql = "SELECT number, name, checksum, state, applied_at_ms, duration_ms, error FROM {application_ledger}",
};

constexpr Query kAdd = {
    .name = "add_application_migration",
    .args = "number text, name text, checksum text, state text",
    .rows = "",
    .sql = R"(
INSERT INTO {application_ledger} (number, name, checksum, state, applied_at_ms) VALUES ($1, $2, $3, $4, {now_ms}))",
};

constexpr Query kFinish = {
    .name = "finish_application_migration",
    .args = "number text, state text, duration_ms bigint, error text",
    .rows = "",
    .sql = "UPDATE {application_ledger} SET state = $2, duration_ms = $3, error = $4 WHERE number = $1",
};

constexpr Query kRemove = {
    .name = "remove_application_migration",
    .args = "number text",
    .rows = "",
    .sql = "DELETE FROM {application_ledger} WHERE number = $1",
};

constexpr std::string_view kApplied = "applied";
constexpr std::string_view kFailed = "failed";
constexpr std::string_view kRunning = "running";

std::string_view StoredState(MigrationState state) {
  if (state == MigrationState::kApplied) return kApplied;
  return state == MigrationState::kFailed ? kFailed : kRunning;
}

MigrationState ParseState(std::string_view stored) {
  if (stored == kApplied) return MigrationState::kApplied;
  return stored == kFailed ? MigrationState::kFailed : MigrationState::kInterrupted;
}

}  // namespace

absl::StatusOr<bool> ApplicationLedger::Exists() {
  ASSIGN_OR_RETURN(const Result found, connection_.RunScript(dialect_.application_ledger_exists));
  return found.size() > 0 && !found[0].IsNull(0);
}

absl::Status ApplicationLedger::Create() {
  ASSIGN_OR_RETURN(const bool exists, Exists());
  if (exists) return absl::OkStatus();
  absl::Status created = absl::OkStatus();
  if (!dialect_.application_ledger_schema.empty()) {
    created = connection_.RunScript(dialect_.application_ledger_schema).status();
  }
  if (created.ok()) created = connection_.RunScript(ExpandSql(dialect_, kTable)).status();
  if (created.ok() || absl::IsUnavailable(created) || absl::IsAborted(created)) return created;
  ASSIGN_OR_RETURN(const bool by_another, Exists());
  if (by_another) return absl::OkStatus();
  return absl::Status(created.code(), absl::StrCat("cannot create ", dialect_.application_ledger,
                                                   ", the list of applied migrations: ", Message(created),
                                                   "; let a role that may create schemas migrate once, or create the "
                                                   "schema for this one"));
}

absl::StatusOr<std::vector<AppliedMigration>> ApplicationLedger::Read() {
  ASSIGN_OR_RETURN(const Result rows, connection_.Execute(Statement(kRead)));
  std::vector<AppliedMigration> ledger;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const Result::Row row = rows[n];
    ledger.push_back({.number = row.Text(0),
                      .name = row.Text(1),
                      .checksum = row.Text(2),
                      .state = ParseState(row.View(3)),
                      .applied_at_ms = row.Int(4),
                      .duration_ms = row.Int(5),
                      .error = row.Text(6)});
  }
  return ledger;
}

absl::Status ApplicationLedger::Add(Connection& connection, const MigrationFile& file, MigrationState state) {
  const std::string_view number = file.number;
  const std::string_view name = file.name;
  const std::string_view checksum = file.checksum;
  return connection.Execute(Statement(kAdd, {number, name, checksum, StoredState(state)})).status();
}

absl::Status ApplicationLedger::Finish(const MigrationFile& file, MigrationState state, std::int64_t duration_ms,
                                       const std::string& error) {
  const std::string_view number = file.number;
  return connection_.Execute(Statement(kFinish, {number, StoredState(state), duration_ms, NullIfEmpty(error)}))
      .status();
}

absl::Status ApplicationLedger::Remove(const MigrationFile& file) {
  return connection_.Execute(Statement(kRemove, {std::string_view(file.number)})).status();
}

}  // namespace dbos::sidecar
