// Query: one SQL text for every database, with its parameters. Statement: a query with values.
//
// The text uses placeholders in braces, which the connection expands once (see dialect.h), and `$1`, `$2` ... for the
// parameters in `args`. `{rows}` stands for a FROM item named `i` whose columns are those in `rows`: PostgreSQL runs
// the statement once, over arrays when there are several rows, SQLite runs it over lists of up to 64 rows inside the
// same transaction. A text over {rows} must mean the same either way: no LIMIT and no aggregate over all rows.
//
// Both lists are written "name type, name type"; the types are text, bigint, int4 and boolean.
#pragma once

#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "sidecar/base/check.h"
#include "sidecar/db/value.h"

namespace dbos::sidecar {

struct Query {
  const char* name;  // unique; it names the prepared statement
  const char* args;
  const char* rows;  // empty: the text has no {rows}
  const char* sql;
};

// Lifetime: the query is a constant; text values are borrowed.
class Statement {
 public:
  explicit Statement(const Query& query, std::vector<Value> args = {}) : query_(&query), args_(std::move(args)) {}

  void AddRow(std::initializer_list<Value> row) { AddRow(std::span<const Value>(row.begin(), row.size())); }
  void AddRow(std::span<const Value> row) {
    DBOS_CHECK(row_count_ == 0 || values_.size() == row_count_ * row.size());
    values_.insert(values_.end(), row.begin(), row.end());
    ++row_count_;
  }

  const Query& query() const { return *query_; }
  const std::vector<Value>& args() const { return args_; }
  const std::vector<Value>& values() const { return values_; }  // row after row
  std::size_t row_count() const { return row_count_; }

 private:
  const Query* query_;
  std::vector<Value> args_;
  std::vector<Value> values_;
  std::size_t row_count_ = 0;
};

}  // namespace dbos::sidecar
