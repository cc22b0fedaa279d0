// PostgresCall: one statement with its parameters, as libpq wants them.
//
// Lifetime: what was added is borrowed, unless said otherwise, until the call was sent.
// Threads: values; no sharing. Blocking: never.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/db/dialect.h"
#include "sidecar/db/postgres/binary_parameters.h"
#include "sidecar/db/query.h"
#include "sidecar/model/named_parameters.h"
#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

// A query as PostgreSQL gets it: over arrays, or over one row of parameters.
struct PostgresQuery {
  std::string sql;
  Dialect::Rows form = {};
  std::vector<Column> args;
  std::vector<Column> rows;

  static PostgresQuery Expand(const Dialect& dialect, const Query& query, bool one_row);
  std::vector<unsigned int> Types() const;
  BinaryParameters Bind(const Statement& statement) const;
};

inline constexpr std::size_t kKeptBytesMax = 16'384;

class PostgresCall {
 public:
  // The user's come one by one, and are counted, or dropped.
  enum class Rows { kOurs, kTaken, kDropped };

  explicit PostgresCall(std::string text) : text_(std::move(text)) {}
  // A user's statement, with the parameters from `first` on.
  PostgresCall(const NamedSql& sql, const std::vector<const SqlValue*>& values, std::size_t first = 1);

  // Its parameters point into it: a deque's elements stay where they are when it is moved, not when it is copied.
  PostgresCall(PostgresCall&&) = default;
  PostgresCall& operator=(PostgresCall&&) = default;
  PostgresCall(const PostgresCall&) = delete;
  PostgresCall& operator=(const PostgresCall&) = delete;
  ~PostgresCall() = default;

  // Prepared in the session, to be used again, unless its text is long: the server's copy takes many times as much.
  // Others are read by the server each time.
  PostgresCall&& Kept() && {
    kept_ = true;
    return std::move(*this);
  }
  PostgresCall&& With(Rows rows) && {
    rows_ = rows;
    return std::move(*this);
  }

  void Add(const SqlValue& value);
  void AddText(std::string text);  // copied
  void AddArguments(const PostgresQuery& query, const Statement& statement);

  const std::string& text() const { return text_; }
  void set_text(std::string text) { text_ = std::move(text); }
  bool kept() const { return kept_ && text_.size() <= kKeptBytesMax; }
  Rows rows() const { return rows_; }
  // Tells apart what the server has to prepare separately.
  std::string Key() const;

  int count() const { return static_cast<int>(values_.size()); }
  const unsigned int* types() const { return types_.data(); }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void Push(unsigned int type, const char* value, std::size_t length, int format);

  std::string text_;
  bool kept_ = false;
  Rows rows_ = Rows::kOurs;
  std::vector<unsigned int> types_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
  std::deque<std::string> copies_;
  std::deque<BinaryParameters> arguments_;
};

// An array in PostgreSQL's notation: {"a",NULL,{...}}.
std::string ArrayLiteral(const SqlValue& value);

}  // namespace dbos::sidecar
