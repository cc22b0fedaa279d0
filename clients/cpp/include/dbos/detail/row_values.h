// How the cells of a row, which are the database's text, become C++ values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <dbos/errors.h>
#include <nlohmann/json.hpp>

namespace dbos {

struct RawJson;

struct SqlColumn {
  std::string name = {};
  std::string type = {};  // the database's short name: int4, text, timestamptz, _int8 for an array of int8 ...
};

namespace detail {

struct RowSet {
  std::vector<SqlColumn> columns = {};
  std::vector<std::optional<std::string>> cells = {};  // row after row; none: NULL
  std::int64_t affected = 0;

  std::size_t rows() const { return columns.empty() ? 0 : cells.size() / columns.size(); }
  const std::optional<std::string>& cell(std::size_t row, std::size_t column) const {
    return cells[row * columns.size() + column];
  }
};

// Throws InvalidArgument, with the columns that are there.
std::size_t IndexOf(const RowSet& set, std::string_view column);
std::string ColumnNames(const RowSet& set);
void CheckOneRow(const RowSet& set);

// What is not the text of its type stays text.
nlohmann::json CellToJson(const std::string& type, const std::optional<std::string>& cell);
Json OrderedRow(const RowSet& set, std::size_t row);

std::string EncodeRows(const RowSet& set, std::size_t first, std::size_t end);
RowSet DecodeRows(std::string_view text);

// Converts JSON to the wanted type, and, if that type can, the value back, to see that nothing was lost.
using FromJson = std::function<void(const nlohmann::json&)>;
using BackToJson = std::function<nlohmann::json()>;
void ConvertRow(const RowSet& set, std::size_t row, const FromJson& from, const BackToJson& back);
void ConvertCell(const RowSet& set, std::size_t row, std::size_t column, const FromJson& from, const BackToJson& back);

// The cell's text, which is JSON, where the database keeps JSON or text; of other types the JSON of their value.
// None: NULL, which is refused unless `nullable`.
std::optional<std::string> StoredJson(const RowSet& set, std::size_t row, std::size_t column, bool nullable);

template <class T>
BackToJson BackFrom(const std::optional<T>& value) {
  if constexpr (std::is_constructible_v<nlohmann::json, const T&>) {
    return [&value] { return nlohmann::json(*value); };
  } else {
    return {};
  }
}

template <class T>
T RowAs(const RowSet& set, std::size_t row) {
  if constexpr (std::is_same_v<T, Json>) {
    return OrderedRow(set, row);
  } else {
    std::optional<T> value;
    ConvertRow(
        set, row, [&](const nlohmann::json& json) { value.emplace(json.get<T>()); }, BackFrom(value));
    return *std::move(value);
  }
}

template <class T>
T CellAs(const RowSet& set, std::size_t row, std::size_t column) {
  if constexpr (std::is_same_v<T, RawJson>) {
    return T{*StoredJson(set, row, column, /*nullable=*/false)};
  } else if constexpr (std::is_same_v<T, std::optional<RawJson>>) {
    std::optional<std::string> text = StoredJson(set, row, column, /*nullable=*/true);
    return text ? T(typename T::value_type{*std::move(text)}) : T();
  } else {
    std::optional<T> value;
    ConvertCell(
        set, row, column, [&](const nlohmann::json& json) { value.emplace(json.get<T>()); }, BackFrom(value));
    return *std::move(value);
  }
}

}  // namespace detail
}  // namespace dbos
