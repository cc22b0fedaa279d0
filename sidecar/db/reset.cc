#include "sidecar/db/reset.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

// Those that refer to others come first.
constexpr const char* kTables[] = {"notifications",
                                   "workflow_events",
                                   "workflow_events_history",
                                   "streams",
                                   "operation_outputs",
                                   "workflow_input",
                                   "workflow_output",
                                   "workflow_status",
                                   "workflow_schedules",
                                   "application_versions",
                                   "queues",
                                   "event_dispatch_kv",
                                   "dbos_migrations"};

constexpr Query kFunctions = {
    .name = "functions",
    .args = "schema text",
    .rows = "",
    .sql = R"(
SELECT CAST(p.oid AS regprocedure) FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = $1 AND p.proname IN ('enqueue_workflow', 'send_message', 'notifications_function',
  'workflow_events_function', 'streams_function'))",
};

constexpr Query kOtherSessions = {
    .name = "other_sessions",
    .args = "",
    .rows = "",
    .sql = R"(
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
AND application_name IN ('dbos_transact', current_setting('application_name')) ORDER BY pid)",
};

// Tables of ours, in a file that has no schemas.
constexpr char kOwnSqliteTables[] =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND SUBSTR(name, 1, 13) = 'dbos_sidecar_'";

absl::Status RunAll(Connection& connection, const std::vector<std::string>& statements) {
  return connection.RunScript(absl::StrCat("BEGIN;\n", absl::StrJoin(statements, ";\n"), ";\nCOMMIT")).status();
}

absl::StatusOr<std::vector<std::string>> DropsInSchema(const Dialect& dialect, Connection& connection) {
  std::vector<std::string> statements;
  std::vector<std::string> tables;
  for (const char* table : kTables) tables.push_back(absl::StrCat(dialect.schema, table));
  // All at once: they refer to each other.
  statements.push_back(absl::StrCat("DROP TABLE IF EXISTS ", absl::StrJoin(tables, ", ")));
  const Statement find(kFunctions, {std::string_view(dialect.schema_name)});
  ASSIGN_OR_RETURN(const Result functions, connection.Execute(find));
  for (std::size_t n = 0; n < functions.size(); ++n) {
    statements.push_back(absl::StrCat("DROP FUNCTION ", functions[n].Text(0)));
  }
  const std::string own = QuoteIdentifier(absl::StrCat(dialect.schema_name, "_sidecar"));
  statements.push_back(absl::StrCat("DROP SCHEMA IF EXISTS ", own, " CASCADE"));
  return statements;
}

absl::StatusOr<std::vector<std::string>> DropsInFile(Connection& connection) {
  std::vector<std::string> statements;
  for (const char* table : kTables) statements.push_back(absl::StrCat("DROP TABLE IF EXISTS ", table));
  ASSIGN_OR_RETURN(const Result own, connection.RunScript(kOwnSqliteTables));
  for (std::size_t n = 0; n < own.size(); ++n) {
    statements.push_back(absl::StrCat("DROP TABLE ", QuoteIdentifier(own[n].Text(0))));
  }
  return statements;
}

}  // namespace

absl::StatusOr<SystemContents> CountContents(const Dialect& dialect, Connection& connection) {
  ASSIGN_OR_RETURN(
      const Result counts,
      connection.RunScript(absl::StrCat(
          "SELECT COUNT(*), SUM(CASE WHEN status IN ('PENDING', 'ENQUEUED', 'DELAYED') THEN 1 ELSE 0 END)",
          ", (SELECT COUNT(*) FROM ", dialect.schema, "operation_outputs) FROM ", dialect.schema, "workflow_status")));
  return SystemContents{counts[0].Int(0), counts[0].Int(1), counts[0].Int(2)};
}

absl::Status CheckNobodyElse(const Dialect& dialect, Connection& connection) {
  if (dialect.schema_name.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Result sessions, connection.Execute(Statement(kOtherSessions)));
  if (sessions.size() == 0) return absl::OkStatus();
  std::vector<std::string> pids;
  for (std::size_t n = 0; n < sessions.size(); ++n) pids.push_back(sessions[n].Text(0));
  return absl::FailedPreconditionError(
      absl::StrCat("sidecars or DBOS applications are connected to this database (server processes ",
                   absl::StrJoin(pids, ", "), "): stop them first"));
}

absl::Status DropSystemTables(const Dialect& dialect, Connection& connection) {
  absl::StatusOr<std::vector<std::string>> statements =
      dialect.schema_name.empty() ? DropsInFile(connection) : DropsInSchema(dialect, connection);
  RETURN_IF_ERROR(statements.status());
  return RunAll(connection, *statements);
}

}  // namespace dbos::sidecar
