#include "sidecar/db/sqlite/sqlite_values.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "sidecar/db/cursor_page.h"

namespace dbos::sidecar {
namespace {

// By the beginning of the declared type, in capitals.
constexpr struct {
  const char* declared;
  const char* name;
} kTypes[] = {
    {"INT", "int8"},
    {"BIGINT", "int8"},
    {"SMALLINT", "int8"},
    {"TINYINT", "int8"},
    {"MEDIUMINT", "int8"},
    {"REAL", "float8"},
    {"DOUBLE", "float8"},
    {"FLOAT", "float8"},
    {"TEXT", "text"},
    {"VARCHAR", "text"},
    {"CHARACTER VARYING", "text"},
    {"CHAR", "text"},
    {"CLOB", "text"},
    {"BLOB", "bytea"},
    {"BYTEA", "bytea"},
    {"BOOL", "bool"},
    {"NUMERIC", "numeric"},
    {"DECIMAL", "numeric"},
    {"JSONB", "jsonb"},
    {"JSON", "json"},
    {"TIMESTAMP", "timestamptz"},
    {"DATETIME", "timestamptz"},
    {"DATE", "date"},
    {"UUID", "uuid"},
};

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump();
}

// JSON goes in as it is, however deep.
std::string ToJson(const SqlValue& value) {
  switch (value.type) {
    case SqlValue::Type::kNull:
      return "null";
    case SqlValue::Type::kBoolean:
    case SqlValue::Type::kInteger:
    case SqlValue::Type::kJson:
      return value.text;
    case SqlValue::Type::kNumber: {
      double number = 0;
      const bool finite = absl::SimpleAtod(value.text, &number) && std::isfinite(number);
      return finite ? NumberText(number) : Quoted(value.text);
    }
    case SqlValue::Type::kBytea:
      return Quoted(absl::StrCat("\\x", absl::BytesToHexString(value.text)));
    case SqlValue::Type::kArray: {
      std::string items = "[";
      for (const SqlValue& item : value.items) absl::StrAppend(&items, items.size() == 1 ? "" : ",", ToJson(item));
      return items + "]";
    }
    case SqlValue::Type::kText:
    case SqlValue::Type::kNumeric:
    case SqlValue::Type::kTimestamptz:
    case SqlValue::Type::kDate:
    case SqlValue::Type::kUuid:
      return Quoted(value.text);
  }
  return "null";
}

int BindText(sqlite3_stmt* statement, int index, std::string_view text, sqlite3_destructor_type keeper) {
  return sqlite3_bind_text64(statement, index, text.data() == nullptr ? "" : text.data(), text.size(), keeper,
                             SQLITE_UTF8);
}

std::string DeclaredType(sqlite3_stmt* statement, int column) {
  const char* declared = sqlite3_column_decltype(statement, column);
  if (declared == nullptr) return "";
  const std::string capitals = absl::AsciiStrToUpper(declared);
  for (const auto& [begins, name] : kTypes) {
    if (absl::StartsWith(capitals, begins)) return name;
  }
  return absl::AsciiStrToLower(declared);
}

const char* TypeOfStorage(int storage) {
  switch (storage) {
    case SQLITE_INTEGER:
      return "int8";
    case SQLITE_FLOAT:
      return "float8";
    case SQLITE_TEXT:
      return "text";
    case SQLITE_BLOB:
      return "bytea";
    default:
      return "";
  }
}

// 2026-11-27T12:39:08.5Z as 2026-11-27 12:39:08.5. Other zones stay, which SQLite's functions understand.
std::string TimeText(std::string text) {
  const std::size_t t = text.find_first_of("Tt");
  if (t != std::string::npos) text[t] = ' ';
  if (!text.empty() && (text.back() == 'Z' || text.back() == 'z')) text.pop_back();
  return text;
}

}  // namespace

int BindValue(sqlite3_stmt* statement, int index, const SqlValue& value) {
  switch (value.type) {
    case SqlValue::Type::kNull:
      return sqlite3_bind_null(statement, index);
    case SqlValue::Type::kBoolean:
      return sqlite3_bind_int(statement, index, value.text == "true" ? 1 : 0);
    case SqlValue::Type::kInteger: {
      std::int64_t number = 0;
      return absl::SimpleAtoi(value.text, &number) ? sqlite3_bind_int64(statement, index, number) : SQLITE_MISMATCH;
    }
    case SqlValue::Type::kNumber: {
      double number = 0;
      return absl::SimpleAtod(value.text, &number) ? sqlite3_bind_double(statement, index, number) : SQLITE_MISMATCH;
    }
    case SqlValue::Type::kBytea:
      return sqlite3_bind_blob64(statement, index, value.text.data(), value.text.size(), SQLITE_STATIC);
    case SqlValue::Type::kTimestamptz:
      return BindText(statement, index, TimeText(value.text), SQLITE_TRANSIENT);
    case SqlValue::Type::kArray:
      return BindText(statement, index, ToJson(value), SQLITE_TRANSIENT);
    case SqlValue::Type::kText:
    case SqlValue::Type::kNumeric:
    case SqlValue::Type::kDate:
    case SqlValue::Type::kUuid:
    case SqlValue::Type::kJson:
      return BindText(statement, index, value.text, SQLITE_STATIC);
  }
  return SQLITE_MISMATCH;
}

int BindValue(sqlite3_stmt* statement, int index, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return sqlite3_bind_int64(statement, index, *number);
  if (const auto* flag = std::get_if<bool>(&value)) return sqlite3_bind_int(statement, index, *flag ? 1 : 0);
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return BindText(statement, index, *text, SQLITE_STATIC);
  }
  return sqlite3_bind_null(statement, index);
}

std::vector<SqlColumn> ColumnsOf(sqlite3_stmt* statement) {
  std::vector<SqlColumn> columns;
  for (int column = 0; column < sqlite3_column_count(statement); ++column) {
    columns.push_back({sqlite3_column_name(statement, column), DeclaredType(statement, column)});
  }
  return columns;
}

void LearnType(sqlite3_stmt* statement, int column, std::string& type) {
  const int storage = sqlite3_column_type(statement, column);
  if (storage == SQLITE_FLOAT && type == "int8") type = "float8";
  if (type.empty()) type = TypeOfStorage(storage);
}

std::string NumberText(double number) {
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  char text[64];
  auto end = std::to_chars(text, text + sizeof(text), number, std::chars_format::scientific).ptr;
  std::string scientific(text, end);
  // From there on, PostgreSQL writes numbers with an exponent.
  const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  if (exponent < -4 || exponent >= 15) return scientific;
  end = std::to_chars(text, text + sizeof(text), number, std::chars_format::fixed).ptr;
  return std::string(text, end);
}

std::optional<std::string> CellText(sqlite3_stmt* statement, int column, const std::string& type) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
      return std::nullopt;
    case SQLITE_INTEGER: {
      const std::int64_t number = sqlite3_column_int64(statement, column);
      if (type == "bool" && (number == 0 || number == 1)) return number == 1 ? "t" : "f";
      return absl::StrCat(number);
    }
    case SQLITE_FLOAT:
      return NumberText(sqlite3_column_double(statement, column));
    default:
      break;
  }
  const bool blob = sqlite3_column_type(statement, column) == SQLITE_BLOB;
  const void* bytes = blob ? sqlite3_column_blob(statement, column) : sqlite3_column_text(statement, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
  const std::string text = size == 0 ? "" : std::string(static_cast<const char*>(bytes), size);
  return blob ? absl::StrCat("\\x", absl::BytesToHexString(text)) : text;
}

std::size_t ReadRow(sqlite3_stmt* statement, std::size_t bytes_max, SqlRows& rows) {
  if (rows.columns.empty()) rows.columns = ColumnsOf(statement);
  std::size_t bytes = 0;
  int column = 0;
  for (SqlColumn& shown : rows.columns) {
    LearnType(statement, column, shown.type);
    rows.cells.push_back(CellText(statement, column++, shown.type));
    bytes += BytesOf(SqlCells(rows.cells).last(1));
    if (bytes > bytes_max) break;
  }
  return bytes;
}

void Complete(sqlite3_stmt* statement, SqlRows& rows) {
  if (rows.columns.empty()) rows.columns = ColumnsOf(statement);
  for (SqlColumn& column : rows.columns) {
    if (column.type.empty()) column.type = "text";
  }
}

}  // namespace dbos::sidecar
