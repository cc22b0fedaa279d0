// Rows to C++ types through their JSON: what fits, what almost fits, and whose fault it is when nothing does.
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <dbos/detail/row_values.h>

#include "sql_text.h"

namespace dbos::detail {
namespace {

using Object = nlohmann::json;

constexpr std::size_t kExcerptMax = 60;
constexpr int kKeyNotFound = 403;  // nlohmann's number for a member that the type needs and the object lacks

struct Failure {
  std::string what;
  bool missing_key = false;
};

std::optional<Failure> Try(const FromJson& from, const nlohmann::json& json) {
  try {
    from(json);
    return std::nullopt;
  } catch (const nlohmann::json::exception& error) {
    return Failure{.what = error.what(), .missing_key = error.id == kKeyNotFound};
  } catch (const Error& error) {
    return Failure{.what = error.what()};
  }
}

// 'x' in nlohmann's "[json.exception.out_of_range.403] key 'x' not found".
std::string MissingKey(const std::string& what) {
  const std::size_t first = what.find('\'');
  const std::size_t last = what.rfind('\'');
  return first == last ? std::string() : what.substr(first + 1, last - first - 1);
}

// The column that makes `from` fail: the object is built up in the order in which it asks for members.
std::optional<std::string> Culprit(const Object& object, const FromJson& from) {
  Object part = Object::object();
  std::string last;
  for (std::size_t added = 0; added <= object.size(); ++added) {
    const std::optional<Failure> failure = Try(from, part);
    if (!failure) break;
    if (!failure->missing_key) return last.empty() ? std::nullopt : std::make_optional(last);
    last = MissingKey(failure->what);
    if (!object.contains(last) || part.contains(last)) return std::nullopt;
    part[last] = object[last];
  }
  // A type that does without members: one after the other.
  for (const auto& [key, value] : object.items()) {
    part[key] = value;
    if (Try(from, part)) return key;
  }
  return std::nullopt;
}

// Other ways to read a cell, for what one database has a type and another one has not. None of them loses anything.
std::vector<nlohmann::json> OtherReadings(const nlohmann::json& value, const std::optional<std::string>& text) {
  std::vector<nlohmann::json> readings;
  if (!text) return readings;
  if (value.is_number_integer() && (*text == "0" || *text == "1")) readings.emplace_back(*text == "1");
  if (!value.is_string()) {
    readings.emplace_back(*text);
    return readings;
  }
  nlohmann::json integer = runtime::ToInteger(*text);
  if (!integer.is_discarded()) readings.push_back(std::move(integer));
  if (const std::optional<std::string> time = runtime::ToRfc3339(*text)) readings.emplace_back(*time);
  nlohmann::json parsed = nlohmann::json::parse(*text, nullptr, false);
  if (parsed.is_structured()) readings.push_back(std::move(parsed));
  return readings;
}

std::string Excerpt(const std::optional<std::string>& text) {
  if (!text) return "NULL";
  return text->size() <= kExcerptMax ? *text : text->substr(0, kExcerptMax) + "...";
}

[[noreturn]] void ThrowBadCell(const SqlColumn& column, const std::optional<std::string>& text,
                               const std::string& what) {
  if (!text) {
    throw InvalidArgument("column " + column.name + " is NULL, and the C++ type has no room for that: use " +
                          "std::optional");
  }
  throw InvalidArgument("column " + column.name + " of type " + column.type + " does not fit the C++ type: " + what +
                        ": " + Excerpt(text));
}

// Why a cell could not be read; where there is another way to read it, that way.
std::string Reason(const SqlColumn& column, const Failure& failure) {
  if (column.type == "numeric") {
    return "read a numeric as dbos::Numeric or std::string, or CAST it to float8 in the statement";
  }
  if (column.type == "_numeric") {
    return "read numerics as std::vector of dbos::Numeric or std::string, or CAST them to float8[] in the statement";
  }
  return failure.what;
}

bool KeepsText(const std::string& type) {
  return type == "json" || type == "jsonb" || type == "text" || type == "varchar" || type == "bpchar";
}

void CheckColumn(const RowSet& set, std::size_t column) {
  if (column < set.columns.size()) return;
  throw InvalidArgument("the row has no column number " + std::to_string(column) + ", counted from 0; it has " +
                        ColumnNames(set));
}

// Whether the number came through as it was.
bool IsSame(const nlohmann::json& cell, const nlohmann::json& back) {
  if (!cell.is_number() || !back.is_number()) return true;
  if (!back.is_number_float()) return cell == back;
  if (cell.is_number_float()) return true;        // a float of fewer digits is the user's choice
  constexpr double kEnd = 9223372036854775808.0;  // 2^63
  const auto number = back.get<double>();
  return number >= -kEnd && number < kEnd && cell == nlohmann::json(static_cast<std::int64_t>(number));
}

// Adds what can be read otherwise until `from` succeeds.
void Convert(const RowSet& set, std::size_t row, Object& object, const FromJson& from) {
  for (std::size_t changed = 0; changed <= set.columns.size(); ++changed) {
    const std::optional<Failure> failure = Try(from, object);
    if (!failure) return;
    const std::optional<std::string> name = Culprit(object, from);
    if (!name) {
      const std::string key = failure->missing_key ? MissingKey(failure->what) : std::string();
      if (key.empty() || object.contains(key)) {
        throw InvalidArgument("the row does not fit the C++ type: " + failure->what);
      }
      throw InvalidArgument("the C++ type needs a column " + key + ", the row has " + ColumnNames(set));
    }
    const std::size_t column = IndexOf(set, *name);
    nlohmann::json& value = object[*name];
    const nlohmann::json original = value;
    bool found = false;
    for (const nlohmann::json& reading : OtherReadings(original, set.cell(row, column))) {
      value = reading;
      found = Culprit(object, from) != name;
      if (found) break;
    }
    if (!found) ThrowBadCell(set.columns[column], set.cell(row, column), Reason(set.columns[column], *failure));
  }
}

}  // namespace

void ConvertRow(const RowSet& set, std::size_t row, const FromJson& from, const BackToJson& back) {
  Object object = Object::object();
  for (std::size_t column = 0; column < set.columns.size(); ++column) {
    object.emplace(set.columns[column].name, CellToJson(set.columns[column].type, set.cell(row, column)));
  }
  Convert(set, row, object, from);
  const nlohmann::json returned = back ? back() : nlohmann::json();
  if (!returned.is_object()) return;
  for (std::size_t column = 0; column < set.columns.size(); ++column) {
    const auto found = returned.find(set.columns[column].name);
    if (found != returned.end() && !IsSame(object[set.columns[column].name], *found)) {
      ThrowBadCell(set.columns[column], set.cell(row, column), "it would become " + found->dump());
    }
  }
}

void ConvertCell(const RowSet& set, std::size_t row, std::size_t column, const FromJson& from, const BackToJson& back) {
  CheckColumn(set, column);
  const std::optional<std::string>& text = set.cell(row, column);
  nlohmann::json value = CellToJson(set.columns[column].type, text);
  const std::optional<Failure> failure = Try(from, value);
  bool done = !failure;
  if (!done) {
    for (const nlohmann::json& reading : OtherReadings(value, text)) {
      value = reading;
      done = !Try(from, value);
      if (done) break;
    }
  }
  if (!done) ThrowBadCell(set.columns[column], text, Reason(set.columns[column], *failure));
  if (back && !IsSame(value, back())) {
    ThrowBadCell(set.columns[column], text, "it would become " + back().dump());
  }
}

std::optional<std::string> StoredJson(const RowSet& set, std::size_t row, std::size_t column, bool nullable) {
  CheckColumn(set, column);
  const SqlColumn& described = set.columns[column];
  const std::optional<std::string>& text = set.cell(row, column);
  if (!text) {
    if (!nullable) ThrowBadCell(described, text, "");
    return std::nullopt;
  }
  if (!KeepsText(described.type)) return CellToJson(described.type, text).dump();
  if (!nlohmann::json::accept(*text)) ThrowBadCell(described, text, "it is not JSON");
  return text;
}

}  // namespace dbos::detail
