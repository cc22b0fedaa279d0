#include "sidecar/db/dialect.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

const char* TypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kText:
      return "text";
    case ColumnType::kBigint:
      return "bigint";
    case ColumnType::kInt4:
      return "int4";
    case ColumnType::kBoolean:
      return "boolean";
  }
  return "";
}

ColumnType ParseType(const std::string& name) {
  for (const ColumnType type : {ColumnType::kText, ColumnType::kBigint, ColumnType::kInt4, ColumnType::kBoolean}) {
    if (name == TypeName(type)) return type;
  }
  DBOS_CHECK(false);  // a parameter list names a type that no driver can bind
  return ColumnType::kText;
}

// (SELECT unnest(CAST($2 AS text[])) AS workflow_id, ...) AS i. Side by side in a list of results they take a quarter
// of the time that one unnest of all arrays takes, which keeps each column in a store of its own first.
std::string ArrayRows(const std::vector<Column>& columns, std::size_t first) {
  std::string items;
  for (std::size_t n = 0; n < columns.size(); ++n) {
    absl::StrAppend(&items, n == 0 ? "" : ", ", "unnest(CAST($", first + n, " AS ", TypeName(columns[n].type),
                    "[])) AS ", columns[n].name);
  }
  return absl::StrCat("(SELECT ", items, ") AS i");
}

// (SELECT $2 AS workflow_id, ...) AS i
std::string SingleRow(const std::vector<Column>& columns, std::size_t first) {
  std::string items;
  for (std::size_t n = 0; n < columns.size(); ++n) {
    absl::StrAppend(&items, n == 0 ? "" : ", ", "$", first + n, " AS ", columns[n].name);
  }
  return absl::StrCat("(SELECT ", items, ") AS i");
}

// (SELECT column1 AS workflow_id, ... FROM (VALUES ($2, ...), ...)) AS i
std::string ListedRows(const std::vector<Column>& columns, std::size_t first, std::size_t count) {
  if (count == 1) return SingleRow(columns, first);
  std::string items;
  for (std::size_t n = 0; n < columns.size(); ++n) {
    absl::StrAppend(&items, n == 0 ? "" : ", ", "column", n + 1, " AS ", columns[n].name);
  }
  std::string rows;
  for (std::size_t n = 0; n < count * columns.size(); ++n) {
    absl::StrAppend(&rows, n == 0 ? "($" : n % columns.size() == 0 ? "), ($" : ", $", first + n);
  }
  return absl::StrCat("(SELECT ", items, " FROM (VALUES ", rows, "))) AS i");
}

}  // namespace

std::string QuoteIdentifier(const std::string& name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

std::string QuoteLiteral(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
}

Dialect PostgresDialect(const std::string& schema) {
  Dialect dialect;
  dialect.migrations = "postgres";
  dialect.notify = Dialect::Notify::kYes;
  dialect.schema = absl::StrCat(QuoteIdentifier(schema), ".");
  dialect.sidecar_schema = absl::StrCat(QuoteIdentifier(schema + "_sidecar"), ".");
  dialect.now_ms = "CAST(EXTRACT(epoch FROM now()) * 1000.0 AS BIGINT)";
  dialect.lock = "FOR NO KEY UPDATE OF s";
  dialect.skip_locked = "FOR NO KEY UPDATE OF s SKIP LOCKED";
  dialect.concurrently = "CONCURRENTLY";
  dialect.if_missing = "IF NOT EXISTS";
  dialect.pin_search_path = "SET search_path = pg_catalog, pg_temp";
  dialect.schema_name = schema;
  dialect.ledger_exists =
      absl::StrCat("SELECT to_regclass(", QuoteLiteral(absl::StrCat(dialect.schema, "dbos_migrations")), ")");
  dialect.migration_lock = Dialect::MigrationLock::kAdvisory;
  dialect.application_ledger = "dbos_sidecar.application_migrations";
  dialect.application_ledger_schema = "CREATE SCHEMA IF NOT EXISTS dbos_sidecar";
  dialect.application_ledger_exists = "SELECT to_regclass('dbos_sidecar.application_migrations')";
  dialect.transaction_outputs_schema = absl::StrCat("CREATE SCHEMA IF NOT EXISTS ", QuoteIdentifier(schema), ";");
  dialect.begin = "BEGIN";
  dialect.script_settings = "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on";
  // An answer means durable, whatever the role's default. The plans of the writer's statements are pinned to look-ups
  // by key: on stale statistics the planner otherwise takes a hash join and loses two thirds of the speed. Of the scans
  // only bitmaps are left, because they alone need a condition on the index. Planned when a table was small, a plain
  // index scan walked all of it for each batch, and the plan was kept (measured: a sixth of the speed until the next
  // ANALYZE).
  dialect.writer_settings =
      "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; SET jit = off; "
      "SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off; SET enable_mergejoin = off; "
      "SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off; "
      "SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '10s'";
  dialect.durably = "SET LOCAL synchronous_commit = on";
  dialect.reader_settings =
      "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; SET jit = off; "
      "SET idle_in_transaction_session_timeout = '60s'; SET statement_timeout = '30s'";
  // What a user reads does not depend on a role's settings; the zone of times does, since it is part of their text. A
  // single statement is a transaction of the kind that most are. The time limit is for a sidecar that hangs.
  dialect.session_settings =
      "SET synchronous_commit = on; SET default_transaction_isolation = 'serializable'; "
      "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET DateStyle = 'ISO'; "
      "SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1; SET lock_timeout = 0; "
      "SET idle_in_transaction_session_timeout = '90s'";
  return dialect;
}

Dialect CockroachDialect(const std::string& schema) {
  Dialect dialect = PostgresDialect(schema);
  dialect.concurrently = "";  // index changes are online anyway
  dialect.pin_search_path = "";
  dialect.joins_statements = false;
  dialect.deferrable = "";
  dialect.notify = Dialect::Notify::kNo;                  // there is no pg_notify
  dialect.migration_lock = Dialect::MigrationLock::kRow;  // its advisory locks are always given
  dialect.database_identity = "SELECT CAST(crdb_internal.cluster_id() AS TEXT) || '/' || current_database()";
  // It has none of PostgreSQL's planner settings, and always commits durably. Where the cluster does not allow READ
  // COMMITTED it takes SERIALIZABLE instead, and there are more conflicts.
  dialect.writer_settings =
      "SET default_transaction_isolation = 'read committed'; SET idle_in_transaction_session_timeout = '60s'; "
      "SET lock_timeout = '10s'";
  dialect.durably = "";
  dialect.reader_settings =
      "SET default_transaction_isolation = 'read committed'; SET idle_in_transaction_session_timeout = '60s'; "
      "SET statement_timeout = '30s'";
  // It changes schemas in SERIALIZABLE transactions only, and since 25.1 ends an open transaction before each such
  // statement, unless told not to. Older ones do not know that variable.
  dialect.migration_settings =
      "SET default_transaction_isolation = 'serializable'; "
      "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'autocommit_before_ddl'";
  dialect.session_settings =
      "SET default_transaction_isolation = 'serializable'; SET client_encoding = 'UTF8'; "
      "SET standard_conforming_strings = on; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; "
      "SET bytea_output = 'hex'; SET extra_float_digits = 1; SET lock_timeout = 0; "
      "SET idle_in_transaction_session_timeout = '90s'";
  return dialect;
}

Dialect SqliteDialect() {
  Dialect dialect;
  dialect.migrations = "sqlite";
  dialect.sidecar_schema = "dbos_sidecar_";
  dialect.now_ms = "CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)";
  dialect.rows = Dialect::Rows::kListed;
  dialect.migration_lock = Dialect::MigrationLock::kTransaction;
  dialect.ledger_exists = "SELECT MAX(name) FROM sqlite_master WHERE type = 'table' AND name = 'dbos_migrations'";
  dialect.application_ledger = "dbos_sidecar_application_migrations";
  dialect.application_ledger_exists =
      "SELECT MAX(name) FROM sqlite_master WHERE type = 'table' AND name = 'dbos_sidecar_application_migrations'";
  dialect.database_identity = "SELECT file FROM pragma_database_list WHERE name = 'main'";
  dialect.begin = "BEGIN IMMEDIATE";
  dialect.syntax = SqlSyntax::kSqlite;
  const std::string settings =
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 3000";
  dialect.writer_settings = settings;
  dialect.reader_settings = settings;
  dialect.session_settings = settings;
  return dialect;
}

std::vector<Column> ParseColumns(std::string_view list) {
  std::vector<Column> columns;
  const std::string text(list);
  for (const auto piece : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const std::vector<std::string> words = absl::StrSplit(absl::StripAsciiWhitespace(piece), ' ', absl::SkipEmpty());
    DBOS_CHECK(words.size() == 2);
    columns.push_back({words[0], ParseType(words[1])});
  }
  return columns;
}

namespace {

// In one pass, since a schema may be called like a placeholder.
std::string Expand(const Dialect& dialect, std::string_view sql, const std::string& rows) {
  return absl::StrReplaceAll(std::string(sql), {{"{schema}", dialect.schema},
                                                {"{sidecar_schema}", dialect.sidecar_schema},
                                                {"{rows}", rows},
                                                {"{now_ms}", dialect.now_ms},
                                                {"{lock}", dialect.lock},
                                                {"{pending}", dialect.pending},
                                                {"{skip_locked}", dialect.skip_locked},
                                                {"{durably}", dialect.durably},
                                                {"{concurrently}", dialect.concurrently},
                                                {"{if_missing}", dialect.if_missing},
                                                {"{pin_search_path}", dialect.pin_search_path},
                                                {"{application_ledger}", dialect.application_ledger}});
}

}  // namespace

std::string ExpandSql(const Dialect& dialect, std::string_view sql) {
  return Expand(dialect, sql, "{rows}");
}

std::string ExpandQuery(const Dialect& dialect, const Query& query, Dialect::Rows form, std::size_t count) {
  const std::size_t first = ParseColumns(query.args).size() + 1;
  const std::vector<Column> columns = ParseColumns(query.rows);
  const std::string rows =
      form == Dialect::Rows::kArrays ? ArrayRows(columns, first) : ListedRows(columns, first, count);
  return Expand(dialect, query.sql, rows);
}

}  // namespace dbos::sidecar
