#include "sidecar/model/sql_statements.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// "line:text" of each statement.
std::vector<std::string> Split(std::string_view sql, SqlSyntax syntax = SqlSyntax::kPostgres) {
  const auto statements = MigrationStatements(sql, syntax);
  EXPECT_TRUE(statements.ok()) << statements.status();
  std::vector<std::string> lines;
  if (!statements.ok()) return lines;
  for (const SqlStatement& statement : *statements)
    lines.push_back(std::to_string(statement.line) + ":" + std::string(statement.text));
  return lines;
}

std::string Fault(std::string_view sql, SqlSyntax syntax = SqlSyntax::kPostgres) {
  const auto statements = MigrationStatements(sql, syntax);
  return statements.ok() ? "" : Message(statements.status());
}

TEST(SqlStatementsTest, EndAtSemicolonsAndKnowTheirLine) {
  EXPECT_THAT(Split("SELECT 1;\n\n-- next\nSELECT\n2 ;SELECT 3"),
              ElementsAre("1:SELECT 1", "4:SELECT\n2 ", "5:SELECT 3"));
  EXPECT_THAT(Split("a;\r\nb;\r\n"), ElementsAre("1:a", "2:b"));
}

TEST(SqlStatementsTest, NothingIsNoStatement) {
  for (const char* sql : {"", " \n\t", ";;\n;", "-- only\n-- comments", "/* a ; b */", "/* never ends"}) {
    EXPECT_THAT(Split(sql), IsEmpty()) << sql;
  }
}

TEST(SqlStatementsTest, QuotesAndCommentsHideSemicolons) {
  for (const std::string sql :
       {"SELECT 'a;b', 'it''s;'", "SELECT \"a;b\"\"c;\"", "SELECT 1 -- a;b\n+ 1", "SELECT /* a; /* b; */ c; */ 1",
        "DO $$ BEGIN x; y; END $$", "DO $a_1$ $$ ; $b$ ; $a_1$", "SELECT E'it\\'s;' , e'\\\\'",
        "INSERT INTO t VALUES ($1); ", "SELECT a$b$ FROM t",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)", "SELECT U&'\\0041;'"}) {
    const auto split = Split(sql);
    ASSERT_EQ(split.size(), 1U) << sql;
  }
  EXPECT_THAT(Split("SELECT 'a\\'; SELECT 2"), ElementsAre("1:SELECT 'a\\'", "1:SELECT 2"));
  EXPECT_THAT(Split("SELECT `a;b`, [c;d]; x", SqlSyntax::kSqlite), ElementsAre("1:SELECT `a;b`, [c;d]", "1:x"));
  EXPECT_THAT(Split("SELECT /* a /* b */ 1; x", SqlSyntax::kSqlite), ElementsAre("1:SELECT /* a /* b */ 1", "1:x"));
  EXPECT_THAT(Split("SELECT 'never ends; x"), ElementsAre("1:SELECT 'never ends; x"));
}

TEST(SqlStatementsTest, BodiesBelongToTheirStatement) {
  EXPECT_THAT(Split("CREATE OR REPLACE FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN a > 1 THEN 1 END; "
                    "SELECT 2; END; SELECT 3"),
              testing::SizeIs(2));
  EXPECT_THAT(
      Split("CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = CASE WHEN 1 THEN 2 END; DELETE FROM d; "
            "END; SELECT 1",
            SqlSyntax::kSqlite),
      testing::SizeIs(2));
  EXPECT_THAT(
      Split("CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f(); SELECT CASE 1 WHEN 2 THEN 3 END; x"),
      testing::SizeIs(3));
}

TEST(SqlStatementsTest, TransactionsAreNotTheFilesBusiness) {
  for (const std::string sql :
       {"BEGIN", "begin work", "START TRANSACTION", "COMMIT", "COMMIT AND CHAIN", "END", "ABORT", "ROLLBACK",
        "ROLLBACK WORK", "PREPARE TRANSACTION 'x'", "/* a */ Commit", "COMMIT PREPARED 'x'"}) {
    EXPECT_THAT(Fault("SELECT 1;\n" + sql + ";"), HasSubstr("line 2: ")) << sql;
    EXPECT_THAT(Fault(sql), HasSubstr("-- dbos: no-transaction")) << sql;
  }
  EXPECT_THAT(Fault("BEGIN IMMEDIATE", SqlSyntax::kSqlite), HasSubstr("line 1: BEGIN"));
  for (const std::string sql :
       {"SAVEPOINT a", "ROLLBACK TO a", "ROLLBACK TO SAVEPOINT a", "ROLLBACK WORK TO a", "RELEASE a",
        "PREPARE p AS SELECT 1", "SELECT 'COMMIT'", "-- COMMIT\nSELECT 1", "DO $$ COMMIT $$",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "CREATE TABLE \"COMMIT\" (a int)"}) {
    EXPECT_EQ(Fault(sql), "") << sql;
  }
}

TEST(SqlStatementsTest, WhatOnlyOtherToolsUnderstandIsRefused) {
  EXPECT_THAT(Fault("COPY t (a, b) FROM stdin;"), HasSubstr("pg_dump --inserts"));
  EXPECT_THAT(Fault("COPY t TO STDOUT"), HasSubstr("line 1: COPY"));
  EXPECT_EQ(Fault("COPY t FROM '/stdin'; COPY t FROM '/a' WITH (stdin 1)"), "");
  EXPECT_THAT(Fault("SELECT 1;\n\\i other.sql"), HasSubstr("line 2: a command of psql"));
  for (const char* mark :
       {"-- migrate:down", "--migrate:down transaction:false", "-- +goose Down", "-- +migrate Down"}) {
    EXPECT_THAT(Fault(absl::StrCat("-- migrate:up\nCREATE TABLE a (b int);\n", mark, "\nDROP TABLE a;")),
                HasSubstr("line 3: a section that undoes the migration"))
        << mark;
  }
}

}  // namespace
}  // namespace dbos::sidecar
