// Dialect: everything in which the databases differ, as data. Code never asks which database it talks to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/db/query.h"
#include "sidecar/model/sql_statements.h"

namespace dbos::sidecar {

struct Dialect {
  // Whose migration files it takes: the middle part of their names.
  std::string migrations;
  // Whether the server has LISTEN and NOTIFY, and they are wanted: then it takes the migration files that make the
  // database notify, too.
  enum class Notify { kYes, kNo };
  Notify notify = Notify::kNo;

  // {schema}: quoted prefix of the DBOS tables. Written into every name because checkpoints ride inside transactions
  // of others and poolers drop session settings, so search_path is no place for it. SQLite has no schemas.
  std::string schema;

  // {sidecar_schema}: the same of our own tables, which are never in the schema of DBOS.
  std::string sidecar_schema;

  // {now_ms}: the database clock in Unix milliseconds. PostgreSQL's is the start of the transaction.
  std::string now_ms;

  // {lock}: ends a locking read of `s`. SQLite's writer owns the database already.
  std::string lock;

  // {pending}: row `s` is PENDING, written so that no partial index follows from it. PostgreSQL would otherwise walk
  // all pending workflows for each batch: planned on an empty table, that index looks like the cheapest outer side, and
  // the plan is kept (measured: 48 instead of 0.35 ms for 50 rows beside 5,000 pending ones).
  std::string pending = "COALESCE(s.status, '') = 'PENDING'";
  // {skip_locked}: the same, passing over rows that another process holds.
  std::string skip_locked;

  // {concurrently}: builds an index without blocking writers; such a migration runs outside a transaction.
  std::string concurrently;

  // {if_missing}: after ADD COLUMN, lets a column pass that is there already: an SDK that takes no lock may be
  // migrating too. SQLite cannot say it; its migrator owns the database.
  std::string if_missing;

  // {pin_search_path}: keeps a caller's search_path out of our SQL functions. CockroachDB cannot say it.
  std::string pin_search_path;

  // Whether many {rows} are arrays, or a list with parameters of its own for each row (SQLite has no arrays). One row
  // alone is always listed: cheaper to plan, to send and to run.
  enum class Rows { kArrays, kListed };
  Rows rows = Rows::kArrays;

  // The schema's name as a value, for catalog reads; empty where there are none.
  std::string schema_name;

  // The ledger of migrations: whether it exists (one row, one column, null or not).
  std::string ledger_exists;

  // How migrators take turns: by an advisory lock; by doing all in one transaction that holds the only write lock; or
  // by a row with an expiry (migration_lock.h), where the database has neither.
  enum class MigrationLock { kAdvisory, kTransaction, kRow };
  MigrationLock migration_lock = MigrationLock::kRow;

  // {application_ledger}: the table of the user's migrations that an application database has had. The name never
  // changes, whatever is configured: files must not run again. And what creates its schema, and tells whether it exists
  // (one row, one column, null or not).
  std::string application_ledger;
  std::string application_ledger_schema;
  std::string application_ledger_exists;

  // Two connections lead to one database where this query says the same on both. Empty: where a lock of one, which the
  // server knows by a number, keeps the other from it.
  std::string database_identity;
  // What makes the schema of transaction_outputs in an application database.
  std::string transaction_outputs_schema;

  // Ends the BEGIN of a transaction that rather waits than conflicts. CockroachDB does not know it.
  std::string deferrable = ", DEFERRABLE";

  // Begins a transaction that will write.
  std::string begin;
  // How to read the user's SQL, and what makes the server read it the same way.
  SqlSyntax syntax = SqlSyntax::kPostgres;
  std::string script_settings;

  // Whether a user's statement can be joined with the step's record into one. CockroachDB keeps no order of the rows in
  // a WITH, and refuses to write one table twice.
  bool joins_statements = true;

  // Sent once to a fresh connection, by what it is for.
  std::string writer_settings;
  // {durably}: what of the writer's settings an acknowledgement depends on, for one transaction. May be empty.
  std::string durably;
  std::string reader_settings;
  std::string migration_settings;
  // And of a session for users' transactions.
  std::string session_settings;
};

Dialect PostgresDialect(const std::string& schema);
Dialect CockroachDialect(const std::string& schema);
Dialect SqliteDialect();

// A name, and a value, as SQL text.
std::string QuoteIdentifier(const std::string& name);
std::string QuoteLiteral(const std::string& text);

// A parameter list of a Query, taken apart.
enum class ColumnType { kText, kBigint, kInt4, kBoolean };
struct Column {
  std::string name;
  ColumnType type = ColumnType::kText;
};
std::vector<Column> ParseColumns(std::string_view list);

// Replaces the placeholders; other braces stay as they are.
std::string ExpandSql(const Dialect& dialect, std::string_view sql);
// `count` is the number of rows that are listed.
std::string ExpandQuery(const Dialect& dialect, const Query& query, Dialect::Rows form, std::size_t count = 1);

}  // namespace dbos::sidecar
