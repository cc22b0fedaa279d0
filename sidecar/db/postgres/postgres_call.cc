#include "sidecar/db/postgres/postgres_call.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

constexpr int kTextFormat = 0;
constexpr int kBinaryFormat = 1;

// Type numbers from pg_type. 0: the server infers it from where the parameter stands.
unsigned int TypeOf(const SqlValue& value) {
  switch (value.type) {
    case SqlValue::Type::kBoolean:
      return 16;
    case SqlValue::Type::kInteger: {
      std::int32_t number = 0;
      return absl::SimpleAtoi(value.text, &number) ? 23 : 20;
    }
    case SqlValue::Type::kNumber:
      return 701;
    case SqlValue::Type::kNumeric:
      return 1700;
    case SqlValue::Type::kBytea:
      return 17;
    case SqlValue::Type::kTimestamptz:
      return 1184;
    case SqlValue::Type::kDate:
      return 1082;
    case SqlValue::Type::kUuid:
      return 2950;
    case SqlValue::Type::kNull:
    case SqlValue::Type::kText:
    case SqlValue::Type::kJson:
    case SqlValue::Type::kArray:
      return 0;
  }
  return 0;
}

void AppendQuoted(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void AppendArray(const SqlValue& value, std::string& out) {
  out += '{';
  bool first = true;
  for (const SqlValue& item : value.items) {
    if (!std::exchange(first, false)) out += ',';
    if (item.type == SqlValue::Type::kNull) {
      out += "NULL";
    } else if (item.type == SqlValue::Type::kArray) {
      AppendArray(item, out);
    } else if (item.type == SqlValue::Type::kBytea) {
      AppendQuoted(absl::StrCat("\\x", absl::BytesToHexString(item.text)), out);
    } else {
      AppendQuoted(item.text, out);
    }
  }
  out += '}';
}

}  // namespace

PostgresQuery PostgresQuery::Expand(const Dialect& dialect, const Query& query, bool one_row) {
  PostgresQuery expanded;
  expanded.form = one_row ? Dialect::Rows::kListed : Dialect::Rows::kArrays;
  expanded.sql = ExpandQuery(dialect, query, expanded.form);
  expanded.args = ParseColumns(query.args);
  expanded.rows = ParseColumns(query.rows);
  return expanded;
}

std::vector<unsigned int> PostgresQuery::Types() const {
  std::vector<unsigned int> types;
  for (const Column& column : args) types.push_back(TypeOid(column.type));
  for (const Column& column : rows) {
    types.push_back(form == Dialect::Rows::kArrays ? ArrayTypeOid(column.type) : TypeOid(column.type));
  }
  return types;
}

BinaryParameters PostgresQuery::Bind(const Statement& statement) const {
  DBOS_CHECK(statement.args().size() == args.size());
  DBOS_CHECK(statement.values().size() == statement.row_count() * rows.size());
  BinaryParameters parameters;
  parameters.AddPlain(args, statement.args());
  if (form == Dialect::Rows::kArrays) {
    parameters.AddArrays(rows, statement.values());
  } else {
    parameters.AddPlain(rows, statement.values());
  }
  return parameters;
}

std::string ArrayLiteral(const SqlValue& value) {
  std::string text;
  AppendArray(value, text);
  return text;
}

PostgresCall::PostgresCall(const NamedSql& sql, const std::vector<const SqlValue*>& values, std::size_t first)
    : text_(NumberedText(sql, first)) {
  for (const SqlValue* value : values) Add(*value);
}

void PostgresCall::Add(const SqlValue& value) {
  const unsigned int type = TypeOf(value);
  if (value.type == SqlValue::Type::kNull) {
    Push(type, nullptr, 0, kTextFormat);
  } else if (value.type == SqlValue::Type::kArray) {
    copies_.push_back(ArrayLiteral(value));
    Push(type, copies_.back().c_str(), copies_.back().size(), kTextFormat);
  } else {
    const int format = value.type == SqlValue::Type::kBytea ? kBinaryFormat : kTextFormat;
    Push(type, value.text.c_str(), value.text.size(), format);
  }
}

void PostgresCall::AddText(std::string text) {
  copies_.push_back(std::move(text));
  Push(TypeOid(ColumnType::kText), copies_.back().c_str(), copies_.back().size(), kTextFormat);
}

void PostgresCall::AddArguments(const PostgresQuery& query, const Statement& statement) {
  arguments_.push_back(query.Bind(statement));
  BinaryParameters& bound = arguments_.back();
  const std::vector<unsigned int> types = query.Types();
  const char* const* values = bound.values();
  for (std::size_t n = 0; n < types.size(); ++n) {
    Push(types[n], values[n], static_cast<std::size_t>(bound.lengths()[n]), kBinaryFormat);
  }
}

void PostgresCall::Push(unsigned int type, const char* value, std::size_t length, int format) {
  types_.push_back(type);
  values_.push_back(value);
  lengths_.push_back(static_cast<int>(length));
  formats_.push_back(format);
}

std::string PostgresCall::Key() const {
  std::string key = text_;
  key.push_back('\0');
  for (const unsigned int type : types_) absl::StrAppend(&key, type, ",");
  return key;
}

}  // namespace dbos::sidecar
