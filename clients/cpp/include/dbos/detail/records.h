// Records: how a struct becomes columns and values, and the SQL of Transaction's typed calls.
//
// A struct goes through its JSON, which has no times, bytes or exact numbers. While a RecordScope is there, those types
// mark themselves in it (Marked), so that they reach the database as what they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <dbos/detail/json_types.h>
#include <dbos/sql_value.h>
#include <nlohmann/json.hpp>

namespace dbos::detail {

struct SqlText {
  std::string sql;
  SqlParams params;
};

// Of a JSON object; NULL members are left out.
SqlParams FieldsOf(const nlohmann::json& record);

template <class T>
SqlParams ParamsOf(const T& record) {
  const RecordScope scope;
  return FieldsOf(nlohmann::json(record));
}

// As many rows from `first` on as one statement takes; moves `first` behind them.
SqlText InsertSql(std::string_view table, const std::vector<SqlParams>& rows, std::size_t& first);
SqlText UpsertSql(std::string_view table, const SqlParams& row, const std::vector<std::string>& key_columns);
SqlText SelectSql(std::string_view table, const SqlParams& filter, bool only_first);
SqlText UpdateSql(std::string_view table, const SqlParams& values, const SqlParams& filter);
SqlText DeleteSql(std::string_view table, const SqlParams& filter);

}  // namespace dbos::detail
