#include "sidecar/model/named_parameters.h"

#include <string>

#include "gmock/gmock.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Numbered(std::string_view sql, SqlSyntax syntax = SqlSyntax::kPostgres) {
  const auto named = ParseNamedSql(sql, syntax);
  return named.ok() ? NumberedText(*named, 1) : "refused: " + Message(named.status());
}

TEST(NamedParametersTest, AreNumberedByFirstAppearance) {
  EXPECT_EQ(Numbered("SELECT :b, :a_1, :b"), "SELECT $1, $2, $1");
  EXPECT_THAT(ParseNamedSql("SELECT :b, :a_1, :b", SqlSyntax::kPostgres)->names, ElementsAre("b", "a_1"));
}

TEST(NamedParametersTest, AreNoneInQuotesCommentsCastsAndSlices) {
  for (const std::string sql :
       {"SELECT ':a'", "SELECT \":a\"", "SELECT $$:a$$, $x$ $$ :a $x$", "SELECT 1 -- :a", "SELECT /* /* :a */ :b */ 1",
        "SELECT 1::int", "SELECT a[1:n]", "SELECT E'it\\'s :a'", "SELECT E'a''b\\' :c'", "SELECT E'a'\n  'b\\' :c'",
        "SELECT f(a := 1)", "SELECT 'a'':b'"}) {
    EXPECT_EQ(Numbered(sql), sql);
  }
  EXPECT_EQ(Numbered("SELECT :a::int, x[:i : :j], \\:c"), "SELECT $1::int, x[$2 : $3], :c");
  EXPECT_EQ(Numbered("SELECT [:a], `:b`, :c", SqlSyntax::kSqlite), "SELECT [:a], `:b`, $1");
}

TEST(NamedParametersTest, EndsAreCutOff) {
  EXPECT_EQ(Numbered("SELECT 1 ; -- that is all\n ;"), "SELECT 1 ");
  EXPECT_THAT(Numbered("SELECT 1; SELECT 2"), HasSubstr("more than one statement"));
  EXPECT_THAT(Numbered(" -- nothing"), HasSubstr("no statement"));
}

TEST(NamedParametersTest, TransactionControlIsRefusedWithTheFix) {
  for (const std::string sql : {"BEGIN", "START TRANSACTION", "commit", "END", "ROLLBACK", "ABORT", "SAVEPOINT a",
                                "RELEASE a", "ROLLBACK TO a", "PREPARE TRANSACTION 'x'", "SET TRANSACTION READ ONLY",
                                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "/* x */ Commit;"}) {
    EXPECT_THAT(Numbered(sql), HasSubstr("remove it")) << sql;
  }
}

TEST(NamedParametersTest, PositionsAreCharactersOfTheGivenText) {
  const std::string given = "SELECT '\xC3\xBC', \\:x, :long_name, :b, wrong";
  const auto named = ParseNamedSql(given, SqlSyntax::kPostgres);
  const std::string text = NumberedText(*named, 9);
  ASSERT_EQ(text, "SELECT '\xC3\xBC', :x, $9, $10, wrong");
  const auto at = [&](const char* part) { return PositionIn(*named, 9, text.find(part)); };
  EXPECT_EQ(at("SELECT"), 1);
  EXPECT_EQ(at(":x"), 14);
  EXPECT_EQ(at("$9"), 18);
  EXPECT_EQ(at("$10"), 30);
  EXPECT_EQ(at("wrong"), 34);
}

}  // namespace
}  // namespace dbos::sidecar
