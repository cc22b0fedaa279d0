#include <set>
#include <string>

#include "sidecar/store/all_queries.h"
#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using QueriesTest = StoreTest;

TEST_P(QueriesTest, EveryQueryRunsOnEveryDatabase) {
  const auto connection = database_->Open().connect(ConnectionRole::kWriter);
  for (const Query* query : AllQueries()) {
    Statement statement(*query, AnyValues(query->args));
    const std::vector<Value> row = AnyValues(query->rows);
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
