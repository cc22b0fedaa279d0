// What a user's transaction is made of, as plain records: values, statements, rows and the database's errors.
//
// Threads: values; no sharing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "sidecar/model/workflow.h"

namespace dbos::sidecar {

// A parameter's value in its text form: integers and numbers in decimal, booleans "true" and "false", bytea as raw
// bytes, everything else as PostgreSQL reads it.
struct SqlValue {
  enum class Type {
    kNull,
    kBoolean,
    kInteger,
    kNumber,
    kText,
    kNumeric,
    kBytea,
    kTimestamptz,
    kDate,
    kUuid,
    kJson,
    kArray
  };
  Type type = Type::kNull;
  std::string text;
  std::vector<SqlValue> items;  // of an array
};

struct SqlParameter {
  std::string name;
  SqlValue value;
};

struct SqlCommand {
  std::string sql;  // with :name parameters
  std::vector<SqlParameter> parameters;
  std::uint32_t page_rows = 0;  // above 0: through a cursor
};

struct SqlColumn {
  std::string name;
  std::string type;  // int4, text, _int8 ...
};

// What a cell counts for beside its text, so that results of small ones and NULLs are bounded as well.
inline constexpr std::size_t kSqlCellBytes = 8;

struct SqlRows {
  std::vector<SqlColumn> columns;
  std::vector<std::optional<std::string>> cells;  // row after row; none: NULL
  std::int64_t affected = 0;
  bool more = false;  // of a cursor
};

// What the database has against a statement.
struct SqlFailure {
  std::string sqlstate;
  std::string message;
  std::string detail;
  std::string hint;
  std::string schema;
  std::string table;
  std::string column;
  std::string constraint;
  std::uint32_t position = 0;  // in characters from 1, in the text as it was given; 0: unknown
  std::uint32_t deferred = 0;  // from 1: of those that were deferred, whose it is; 0: of what they came with
};

// A serialization failure or a deadlock: the same transaction may succeed when it is run again.
bool IsConflict(const SqlFailure& failure);

enum class Isolation { kSerializable, kRepeatableRead, kReadCommitted };

struct TransactionMode {
  bool operator==(const TransactionMode&) const = default;

  Isolation isolation = Isolation::kSerializable;
  bool read_only = false;
  bool deferrable = false;
};

// Which step of a workflow a transaction is.
struct TransactionStep {
  ExecutionRef execution;
  std::int32_t step_id = 0;
  std::string name;
  std::int64_t started_at_ms = 0;
};

// The outcome of a statement that is a whole transaction, as portable JSON:
// {"columns": [{"name": ..., "type": ...}], "rows": [[text or null, ...]], "affected": n}
std::string EncodeRows(const SqlRows& rows);
// Up to `"rows": [`, and from `]` on, for a database that makes the rows itself.
std::string EncodeRowsHead(const std::vector<SqlColumn>& columns);

// A portable error record: {"name": "SqlError", "message", "code": sqlstate, "data": {"step", "detail", ...}}.
std::string EncodeFailure(const SqlFailure& failure, const std::string& step_name);

}  // namespace dbos::sidecar
