#include <set>
#include <string>

#include "sidecar/store/all_queries.h"
#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using QueriesTest = StoreTest;

Value AnyValue(ColumnType type) {
  switch (type) {
    case ColumnType::kText:
      return std::string_view("text");
    case ColumnType::kBigint:
    case ColumnType::kInt4:
      return std::int64_t{1};
    case ColumnType::kBoolean:
      return true;
  }
  return kNull;
}

TEST_P(QueriesTest, EveryQueryRunsOnEveryDatabase) {
  const auto connection = database_->Open().connect(ConnectionRole::kWriter);
  for (const Query* query : AllQueries()) {
    const auto args = ParseColumns(query->args);
    const auto columns = ParseColumns(query->rows);
    std::vector<Value> values;
    for (const Column& column : args) values.push_back(AnyValue(column.type));
    Statement statement(*query, values);
    std::vector<Value> row;
    for (const Column& column : columns) row.push_back(AnyValue(column.type));
    if (!row.empty()) statement.AddRow(row);
    const auto result = connection->Execute(statement);
    EXPECT_TRUE(result.ok()) << query->name << ": " << result.status();
  }
}

TEST_P(QueriesTest, EveryQueryHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const Query* query : AllQueries()) EXPECT_TRUE(names.insert(query->name).second) << query->name;
}

INSTANTIATE_OVER_DATABASES(QueriesTest);

}  // namespace
}  // namespace dbos::sidecar
