#include "sidecar/model/transaction.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

#include "sidecar/base/utf8.h"

namespace dbos::sidecar {
namespace {

// As PostgreSQL's json functions write it. What is not UTF-8 becomes U+FFFD.
std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

bool IsConflict(const SqlFailure& failure) {
  return failure.sqlstate == "40001" || failure.sqlstate == "40P01";
}

std::string EncodeRowsHead(const std::vector<SqlColumn>& columns) {
  std::string text = "{\"columns\": [";
  for (std::size_t n = 0; n < columns.size(); ++n) {
    absl::StrAppend(&text, n == 0 ? "" : ", ", "{\"name\": ", Quoted(columns[n].name),
                    ", \"type\": ", Quoted(columns[n].type), "}");
  }
  return text + "], \"rows\": [";
}

std::string EncodeRows(const SqlRows& rows) {
  std::string text = EncodeRowsHead(rows.columns);
  const std::size_t width = rows.columns.size();
  for (std::size_t n = 0; n < rows.cells.size(); ++n) {
    const std::optional<std::string>& cell = rows.cells[n];
    absl::StrAppend(&text, n == 0 ? "[" : n % width == 0 ? "], [" : ", ", cell ? Quoted(*cell) : "null");
  }
  return absl::StrCat(text, rows.cells.empty() ? "" : "]", "], \"affected\": ", rows.affected, "}");
}

std::string EncodeFailure(const SqlFailure& failure, const std::string& step_name) {
  nlohmann::ordered_json data = {{"step", step_name}};
  for (const auto& [key, value] :
       {std::pair("detail", &failure.detail), std::pair("hint", &failure.hint), std::pair("schema", &failure.schema),
        std::pair("table", &failure.table), std::pair("column", &failure.column),
        std::pair("constraint", &failure.constraint)}) {
    if (!value->empty()) data[key] = *value;
  }
  if (failure.position > 0) data["position"] = failure.position;
  const nlohmann::ordered_json record = {
      {"name", "SqlError"}, {"message", failure.message}, {"code", failure.sqlstate}, {"data", data}};
  return record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace dbos::sidecar
