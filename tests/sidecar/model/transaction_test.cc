#include "sidecar/model/transaction.h"

#include "gmock/gmock.h"

namespace dbos::sidecar {
namespace {

TEST(TransactionTest, OutcomesAreJsonAsPostgresWritesIt) {
  SqlRows rows;
  rows.columns = {{"id", "int4"}, {"a \"b\"", "text"}};
  rows.affected = 2;
  EXPECT_EQ(EncodeRows(rows),
            R"({"columns": [{"name": "id", "type": "int4"}, {"name": "a \"b\"", "type": "text"}], "rows": [], )"
            R"("affected": 2})");
  rows.cells = {"1", std::nullopt, "2", "tab\t \x01 \\ \xC3\xA4"};
  const std::string text = EncodeRows(rows);
  EXPECT_EQ(text.substr(0, EncodeRowsHead(rows.columns).size()), EncodeRowsHead(rows.columns));
  EXPECT_EQ(text.substr(EncodeRowsHead(rows.columns).size()),
            "[\"1\", null], [\"2\", \"tab\\t \\u0001 \\\\ \xC3\xA4\"]], \"affected\": 2}");
  EXPECT_EQ(EncodeRows({}), R"({"columns": [], "rows": [], "affected": 0})");
}

TEST(TransactionTest, FailuresArePortableErrors) {
  SqlFailure failure;
  failure.sqlstate = "23505";
  failure.message = "duplicate";
  EXPECT_EQ(EncodeFailure(failure, "pay"),
            R"({"name":"SqlError","message":"duplicate","code":"23505","data":{"step":"pay"}})");
  failure.detail = "d";
  failure.hint = "h";
  failure.schema = "s";
  failure.table = "t";
  failure.column = "c";
  failure.constraint = "k";
  failure.position = 7;
  EXPECT_EQ(EncodeFailure(failure, "pay"),
            R"({"name":"SqlError","message":"duplicate","code":"23505","data":{"step":"pay","detail":"d","hint":"h",)"
            R"("schema":"s","table":"t","column":"c","constraint":"k","position":7}})");
}

TEST(TransactionTest, ConflictsAreWhatMaySucceedWhenItIsRunAgain) {
  SqlFailure failure;
  for (const char* state : {"40001", "40P01"}) {
    failure.sqlstate = state;
    EXPECT_TRUE(IsConflict(failure));
  }
  for (const char* state : {"40003", "23505", "25P02", "55P03", ""}) {
    failure.sqlstate = state;
    EXPECT_FALSE(IsConflict(failure));
  }
}

}  // namespace
}  // namespace dbos::sidecar
