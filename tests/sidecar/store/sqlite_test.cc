// What only SQLite does.
#include <string>

#include "absl/strings/str_cat.h"

#include "sidecar/store/all_queries.h"
#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::HasSubstr;
using testing::Not;

using SqliteTest = StoreTest;

TEST_P(SqliteTest, NoStatementWalksATableThatGrows) {
  const auto connection = database_->Open().connect(ConnectionRole::kWriter);
  for (const Query* query : AllQueries()) {
    const std::string name = query->name;
    if (name == "list_steps") continue;         // its `o` is one page of one workflow
    if (name.starts_with("rename_")) continue;  // a command that goes through all rows once
    const bool over_rows = *query->rows != '\0';
    const std::string sql = ExpandQuery(SqliteDialect(), *query, Dialect::Rows::kListed, over_rows ? 16 : 0);
    const auto plan = connection->RunScript(absl::StrCat("EXPLAIN QUERY PLAN ", sql));
    ASSERT_TRUE(plan.ok()) << query->name << ": " << plan.status();
    for (std::size_t n = 0; n < plan->size(); ++n) {
      const std::string line = (*plan)[n].Text(3);
      EXPECT_THAT(line, Not(HasSubstr("AUTOMATIC"))) << query->name;
      for (const char* table : {"s", "o", "w", "workflow_status", "operation_outputs"}) {
        EXPECT_FALSE(line == absl::StrCat("SCAN ", table)) << query->name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OnlySqlite, SqliteTest, ::testing::Values(DatabaseKind::kSqlite), DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
