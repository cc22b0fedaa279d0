#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <limits>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <dbos/detail/json_types.h>
#include <dbos/detail/row_values.h>
#include <dbos/values.h>

#include "sql_text.h"

namespace dbos::detail {
namespace {

using runtime::NoJson;
using runtime::ToArray;
using runtime::ToInteger;
using runtime::ToRfc3339;

enum class Kind { kText, kBoolean, kInteger, kNumber, kBytes, kTime, kJson };

// PostgreSQL's and CockroachDB's short names, and what SQLite tables are declared with.
const std::unordered_map<std::string, Kind>& Kinds() {
  static const auto& kinds = *new std::unordered_map<std::string, Kind>{
      {"bool", Kind::kBoolean},     {"boolean", Kind::kBoolean}, {"int2", Kind::kInteger},  {"int4", Kind::kInteger},
      {"int8", Kind::kInteger},     {"oid", Kind::kInteger},     {"int", Kind::kInteger},   {"integer", Kind::kInteger},
      {"bigint", Kind::kInteger},   {"float4", Kind::kNumber},   {"float8", Kind::kNumber}, {"real", Kind::kNumber},
      {"bytea", Kind::kBytes},      {"blob", Kind::kBytes},      {"json", Kind::kJson},     {"jsonb", Kind::kJson},
      {"timestamptz", Kind::kTime}, {"timestamp", Kind::kTime},  {"datetime", Kind::kTime},
  };
  return kinds;
}

nlohmann::json ParsedNumber(const std::string& text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return NoJson();
  return number;
}

// \x and hex digits, as base64.
nlohmann::json ParsedBytes(const std::string& text) {
  if (text.compare(0, 2, "\\x") != 0 || text.size() % 2 != 0) return NoJson();
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t at = 2; at < text.size(); at += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(&text[at], &text[at] + 2, value, 16);
    if (error != std::errc() || end != &text[at] + 2) return NoJson();
    bytes.push_back(static_cast<std::byte>(value));
  }
  return EncodeBase64(bytes);
}

// NoJson() when it is not the text of that kind.
nlohmann::json Parsed(Kind kind, const std::string& text) {
  switch (kind) {
    case Kind::kText:
      return NoJson();
    case Kind::kBoolean:
      if (text == "t" || text == "true" || text == "1") return true;
      if (text == "f" || text == "false" || text == "0") return false;
      return NoJson();
    case Kind::kInteger:
      return ToInteger(text);
    case Kind::kNumber:
      return ParsedNumber(text);
    case Kind::kBytes:
      return ParsedBytes(text);
    case Kind::kTime: {
      const std::optional<std::string> time = ToRfc3339(text);
      return time ? nlohmann::json(*time) : NoJson();
    }
    case Kind::kJson:
      return nlohmann::json::parse(text, nullptr, false);
  }
  return NoJson();
}

Kind KindOf(const std::string& type) {
  const auto found = Kinds().find(type);
  return found == Kinds().end() ? Kind::kText : found->second;
}

Json TextOrNull(const std::optional<std::string>& cell) {
  return cell ? Json(*cell) : Json(nullptr);
}

}  // namespace

std::size_t IndexOf(const RowSet& set, std::string_view column) {
  const auto found =
      std::find_if(set.columns.begin(), set.columns.end(), [&](const SqlColumn& each) { return each.name == column; });
  if (found == set.columns.end()) {
    throw InvalidArgument("the row has no column " + std::string(column) + "; it has " + ColumnNames(set));
  }
  return static_cast<std::size_t>(found - set.columns.begin());
}

std::string ColumnNames(const RowSet& set) {
  std::string names;
  for (const SqlColumn& column : set.columns) names += (names.empty() ? "" : ", ") + column.name;
  return names.empty() ? "none" : names;
}

void CheckOneRow(const RowSet& set) {
  if (set.rows() == 1) return;
  throw InvalidArgument("the statement returned " + std::to_string(set.rows()) +
                        " rows, one() and scalar() need exactly 1; first() takes none as well, all() any number");
}

nlohmann::json CellToJson(const std::string& type, const std::optional<std::string>& cell) {
  if (!cell) return nullptr;
  nlohmann::json value;
  if (type.size() > 1 && type[0] == '_') {
    value = ToArray(*cell, type.substr(1));
  } else {
    value = Parsed(KindOf(type), *cell);
  }
  return value.is_discarded() ? nlohmann::json(*cell) : value;
}

Json OrderedRow(const RowSet& set, std::size_t row) {
  Json object = Json::object();
  for (std::size_t column = 0; column < set.columns.size(); ++column) {
    object.emplace(set.columns[column].name, CellToJson(set.columns[column].type, set.cell(row, column)));
  }
  return object;
}

std::string EncodeRows(const RowSet& set, std::size_t first, std::size_t end) {
  Json columns = Json::array();
  for (const SqlColumn& column : set.columns) columns.push_back({{"name", column.name}, {"type", column.type}});
  Json rows = Json::array();
  for (std::size_t row = first; row < end; ++row) {
    Json& cells = rows.emplace_back(Json::array());
    for (std::size_t column = 0; column < set.columns.size(); ++column) {
      cells.push_back(TextOrNull(set.cell(row, column)));
    }
  }
  return DumpPortable(Json{{"columns", std::move(columns)}, {"rows", std::move(rows)}, {"affected", set.affected}});
}

RowSet DecodeRows(std::string_view text) {
  RowSet set;
  try {
    const Json value = Json::parse(text);
    for (const Json& column : value.at("columns")) {
      set.columns.push_back({column.at("name").get<std::string>(), column.at("type").get<std::string>()});
    }
    for (const Json& row : value.at("rows")) {
      if (row.size() != set.columns.size()) ThrowNotConvertible("a row that has not all columns", text);
      for (const Json& cell : row) {
        set.cells.push_back(cell.is_null() ? std::nullopt : std::make_optional(cell.get<std::string>()));
      }
    }
    set.affected = value.at("affected").get<std::int64_t>();
  } catch (const nlohmann::json::exception& error) {
    ThrowNotConvertible(error.what(), text);
  }
  return set;
}

}  // namespace dbos::detail
