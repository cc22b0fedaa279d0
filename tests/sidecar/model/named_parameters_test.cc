#include "sidecar/model/named_parameters.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"

#include "sidecar/base/status.h"
#include "sidecar/model/sql_value_check.h"

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
        "SELECT E'a' -- x\n -- y\n 'b\\' :c'", "SELECT f(a := 1)", "SELECT 'a'':b'"}) {
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

TEST(NamedParametersTest, CallsOfFunctionsThatMayBeAnybodysAreSeen) {
  const auto calls = [](std::string_view sql) { return ParseNamedSql(sql, SqlSyntax::kPostgres)->calls_functions; };
  for (const std::string sql :
       {"INSERT INTO t VALUES (mine(:a))", "INSERT INTO t (a) SELECT * FROM app.place(:a)", "UPDATE t SET a = s.now()",
        "INSERT INTO t VALUES (\"now\"())", "DELETE FROM t WHERE a = current_setting('x')",
        "INSERT INTO t (a) VALUES (1) RETURNING mine(a)", "INSERT INTO t VALUES ((mine (1)))",
        "UPDATE t SET a = 1 WHERE b IN (SELECT \"s\".\"f\"(c) FROM u)",
        "INSERT INTO t DEFAULT VALUES RETURNING f(a)"}) {
    EXPECT_TRUE(calls(sql)) << sql;
  }
  for (const std::string sql :
       {"INSERT INTO t (a, b) VALUES (:a, now())", "INSERT INTO s.\"t\" (a) VALUES (:a) ON CONFLICT (a) DO NOTHING",
        "INSERT INTO s.t AS x (a) SELECT coalesce(max(b), 0) + 1 FROM u", "UPDATE t SET (a, b) = (1, 2) WHERE a IN (1)",
        "UPDATE t SET a = CAST(:a AS numeric(10, 2)) WHERE (b = 1) AND (c = 2)", "DELETE FROM t WHERE a = ANY(:ids)",
        "UPDATE t SET a = a + 1 /* f(x) */ WHERE b = 'f(x)'",
        "INSERT INTO t (a) VALUES (:a) RETURNING (a), lower(b)"}) {
    EXPECT_FALSE(calls(sql)) << sql;
  }
}

TEST(NamedParametersTest, WhatOutlivesItsTransactionMarksTheSession) {
  const auto marks = [](std::string_view sql) { return ParseNamedSql(sql, SqlSyntax::kPostgres)->marks_session; };
  for (const std::string sql : {"CREATE TEMP TABLE t (a int)",
                                "create temporary view v AS SELECT 1",
                                "CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
                                "CREATE LOCAL TEMP TABLE t (a int)",
                                "SELECT 1 AS a INTO TEMP t",
                                "CREATE TABLE pg_temp.t (a int)",
                                "SELECT pg_advisory_lock(:key)",
                                "SELECT pg_try_advisory_lock_shared(1)",
                                "SELECT set_config('a.b', :v, false)",
                                "SELECT \"set_config\" ('a.b', :v, false)",
                                "SELECT set_config('a.b', :v, :local)",
                                "SELECT set_config('a.b', :v, true = :local)",
                                "SELECT set_config('a.b', set_config('a.c', :v, true), false)",
                                "SELECT set_config('a.b', :v, true), pg_catalog.set_config('a.c', :v, false)",
                                "SELECT set_config('a.b', :v)",
                                "SELECT set_config('a.b', :v, is_local => false)",
                                "SELECT set_config(VARIADIC :all",
                                "SELECT PG_CATALOG.\"pg_advisory_lock\"(1)",
                                "CREATE TABLE \"pg_temp\".t (a int)",
                                "DO $$ BEGIN EXECUTE 'SET ROLE tenant'; END $$",
                                "UPDATE pg_settings SET setting = 'a' WHERE name = 'x'",
                                "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                                "WITH w AS (SELECT pg_advisory_lock(1)) SELECT * FROM w"}) {
    EXPECT_TRUE(marks(sql)) << sql;
  }
  for (const std::string sql :
       {"INSERT INTO sensors (id, temp) VALUES (1, :t)", "SELECT temp, temporary FROM sensors", "SELECT 'CREATE TEMP'",
        "CREATE TABLE sensors (temp int)", "SELECT pg_advisory_xact_lock(1)", "SELECT \"set_config\" FROM t",
        "SELECT set_config('a.b', :v, true)",
        "SELECT pg_catalog.set_config('a.b', concat(:v, ', false'), /* local */ TRUE)",
        "SELECT set_config('a.b', :v, true), set_config('a.c', (SELECT max(id) FROM t WHERE (a, b) = (1, 2)), true)",
        "INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO NOTHING", "SELECT hold, set_config FROM accounts",
        "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1"}) {
    EXPECT_FALSE(marks(sql)) << sql;
  }
}

TEST(NamedParametersTest, WhatWouldChangeTheSessionIsRefused) {
  for (const std::string sql :
       {"SET search_path = x", "SET SESSION a = 1", "SET ROLE x", "RESET ROLE", "RESET ALL", "DISCARD ALL", "LISTEN x",
        "UNLISTEN *", "PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE p", "COPY t FROM STDIN",
        "COPY (SELECT 1) TO STDOUT", "\\d", "SET LOCAL TRANSACTION READ ONLY", "SET LOCAL transaction_isolation = x"}) {
    EXPECT_THAT(Numbered(sql), HasSubstr("refused: ")) << sql;
  }
  for (const std::string sql : {"SET LOCAL search_path = x", "SET CONSTRAINTS ALL DEFERRED", "NOTIFY x", "SHOW x",
                                "COPY t FROM '/file'", "CALL f()", "DO $$ BEGIN COMMIT; END $$", "LOCK TABLE t"}) {
    EXPECT_EQ(Numbered(sql), sql);
  }
  for (const std::string sql : {"ATTACH 'x' AS y", "DETACH y", "PRAGMA journal_mode", "SELECT a::int", "SELECT ?",
                                "SELECT ?1", "SELECT @a", "SELECT $a", "SELECT 1:n"}) {
    EXPECT_THAT(Numbered(sql, SqlSyntax::kSqlite), HasSubstr("refused: ")) << sql;
  }
  EXPECT_THAT(Numbered("SELECT $1"), HasSubstr("parameters are written :name"));
  EXPECT_EQ(Numbered("SELECT a ? 'b', @ -1"), "SELECT a ? 'b', @ -1");
  const std::string trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; DELETE FROM c; END";
  EXPECT_EQ(Numbered(trigger, SqlSyntax::kSqlite), trigger);
}

TEST(NamedParametersTest, TextsThatCannotBeSentAreRefused) {
  EXPECT_THAT(Numbered(std::string(kSqlBytesMax + 1, ' ')), HasSubstr("1048576"));
  EXPECT_THAT(Numbered(std::string_view("SELECT \0", 8)), HasSubstr("byte 8"));
  EXPECT_THAT(Numbered("SELECT '\xFF'"), HasSubstr("UTF-8"));
  EXPECT_THAT(Numbered("SELECT :a$b"), HasSubstr("letters, digits and underscores"));
}

TEST(NamedParametersTest, StatementsAreKnownByTheirWords) {
  const auto known = [](std::string_view sql) {
    const auto named = ParseNamedSql(sql, SqlSyntax::kPostgres);
    return named->verb + (named->is_query ? " query" : "") + (named->returns_rows ? " rows" : "");
  };
  EXPECT_EQ(known("select 1"), "SELECT query rows");
  EXPECT_EQ(known("(SELECT 1) UNION (SELECT 2)"), "SELECT query rows");
  EXPECT_EQ(known("/* INSERT */ VALUES (1)"), "VALUES query rows");
  EXPECT_EQ(known("WITH a AS (SELECT 1 FOR NO KEY UPDATE) SELECT 1 FOR UPDATE"), "WITH query rows");
  EXPECT_EQ(known("WITH a AS (DELETE FROM t RETURNING 1) SELECT 1"), "WITH");
  EXPECT_EQ(known("WITH a AS (SELECT 1) INSERT INTO t SELECT 1 RETURNING id"), "WITH rows");
  EXPECT_EQ(known("INSERT INTO t VALUES (1)"), "INSERT");
  EXPECT_EQ(known("INSERT INTO t SELECT f(RETURNING) FROM x"), "INSERT");
  EXPECT_EQ(known("update t set a = :select returning *"), "UPDATE rows");
}

// Pieces with known answers, in any order and number: what the parser must find is what was put in.
TEST(NamedParametersTest, RandomTextsAreTakenApartAsTheyWerePutTogether) {
  const std::string hidden[] = {
      "'it''s :a'",  "\":a \"\"x\"", "$$ :a ' $$", "$t$ $$ :a $t$ ", "-- :a '\n+", "/* :a /* ' */ :b */", "E'\\' :a'",
      "E'x''\\':a'", "a.b::int",     "x[1:n]",     "f(a := 1)",      "'a'\n':b'",  "U&'\\0041 :a'",       "1.5e3",
      "\xC3\xA4",    "B'01'",        "->>'k'",     "a_1$",           "'\\'"};
  std::mt19937 random(20261126);  // NOLINT(cert-msc51-cpp): the same texts each time
  for (int round = 0; round < 3000; ++round) {
    std::string text = "SELECT ";
    std::string numbered = text;
    std::vector<std::string> names;
    for (std::size_t part = random() % 12; part > 0; --part) {
      const std::string space = random() % 2 == 0 ? " " : "\n, ";
      text += space;
      numbered += space;
      if (random() % 3 == 0) {
        const std::string name = "p" + std::to_string(random() % 4);
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        const auto number = std::find(names.begin(), names.end(), name) - names.begin() + 1;
        const std::string cast = random() % 2 == 0 ? "" : "::text";
        text += ":" + name + cast;
        numbered += "$" + std::to_string(number) + cast;
      } else {
        const std::string& piece = hidden[random() % std::size(hidden)];
        text += piece;
        numbered += piece;
      }
    }
    const auto named = ParseNamedSql(text, SqlSyntax::kPostgres);
    ASSERT_TRUE(named.ok()) << text << named.status();
    ASSERT_EQ(NumberedText(*named, 1), numbered);
    ASSERT_EQ(named->names, names) << text;
    for (std::size_t n = 0; n < named->occurrences.size(); ++n) {
      const std::size_t end = named->starts[n] + named->pieces[n].size();
      ASSERT_EQ(text.substr(end, 1 + names[named->occurrences[n]].size()), ":" + names[named->occurrences[n]]) << text;
    }
  }
}

std::string Match(const std::string& sql, std::vector<SqlParameter> parameters) {
  const auto named = ParseNamedSql(sql, SqlSyntax::kPostgres);
  const SqlCommand command = {sql, std::move(parameters), 0};
  const auto values = MatchParameters(*named, command);
  if (!values.ok()) return Message(values.status());
  std::string text;
  for (const SqlValue* value : *values) text += value->text + ";";
  return text;
}

SqlParameter Of(const std::string& name, SqlValue::Type type, const std::string& text) {
  return {name, {type, text, {}}};
}

TEST(NamedParametersTest, ValuesComeInTheOrderOfTheNames) {
  using Type = SqlValue::Type;
  EXPECT_EQ(Match("SELECT :b, :a, :b", {Of("a", Type::kText, "A"), Of("b", Type::kText, "B")}), "B;A;");
  EXPECT_THAT(Match("SELECT :b", {}), HasSubstr("parameter :b has no value"));
  EXPECT_THAT(Match("SELECT :b", {Of("b", Type::kText, ""), Of("b", Type::kText, "")}), HasSubstr("given twice"));
  EXPECT_THAT(
      Match("SELECT :b", {Of("b", Type::kText, ""), Of("c", Type::kText, "")}),
      HasSubstr("parameter :c does not occur in the statement: leave it out, or correct its name; the statement "
                "has :b"));
}

TEST(NamedParametersTest, ValuesThatAreNoneAreRefusedByName) {
  using Type = SqlValue::Type;
  const std::pair<Type, std::vector<std::string>> good[] = {
      {Type::kBoolean, {"true", "false"}},
      {Type::kInteger, {"-9223372036854775808", "0"}},
      {Type::kNumber, {"1e300", "-0.5", "NaN", "Infinity"}},
      {Type::kNumeric, {"-12.50", "1e6", ".5", "5.", "NaN", "+1"}},
      {Type::kTimestamptz, {"2026-01-31T23:59:59.123456Z", "2026-01-31 23:59+02:00", "2026-01-31T23:59:59-0330"}},
      {Type::kDate, {"2024-02-29", "12026-01-01"}},
      {Type::kUuid, {"01234567-89AB-cdef-0123-456789abcdef"}},
      {Type::kJson, {"{\"a\": [1, null]}", "7"}},
      {Type::kBytea, {std::string("\0\xFF", 2)}},
      {Type::kText, {"", "\xC3\xA4"}}};
  for (const auto& [type, texts] : good) {
    for (const std::string& text : texts) EXPECT_EQ(Match("SELECT :v", {Of("v", type, text)}), text + ";");
  }
  const std::pair<Type, std::vector<std::string>> bad[] = {
      {Type::kBoolean, {"1", "TRUE", ""}},
      {Type::kInteger, {"9223372036854775808", "1.0", "", "x", "+1", " 1", "1\n"}},
      {Type::kNumber, {"", "1,5", "0x", " 1", "1 "}},
      {Type::kNumeric, {"", ".", "1e", "1.5.2", "--1", "1 2"}},
      {Type::kTimestamptz, {"", "2026-02-30T00:00:00Z", "now", "2026-01-31T", "2026-01-31T23:59:59Zx"}},
      {Type::kDate, {"2026-02-29", "2026-1-1", "26-01-01", "2026-01-01T", "0000-01-01"}},
      {Type::kUuid, {"01234567-89ab-cdef-0123-456789abcde", "0123456789abcdef0123456789abcdef", ""}},
      {Type::kJson, {"", "{", "{'a': 1}", "1 2"}},
      {Type::kText, {std::string("a\0b", 3), "\xFF"}}};
  for (const auto& [type, texts] : bad) {
    for (const std::string& text : texts) {
      EXPECT_THAT(Match("SELECT :v", {Of("v", type, text)}), HasSubstr("parameter :v is")) << text;
    }
  }
  SqlValue array = {Type::kArray, "", {{Type::kText, "a", {}}, {Type::kInteger, "b", {}}}};
  EXPECT_THAT(Match("SELECT :v", {{"v", array}}), HasSubstr("parameter :v has the item 2 that is no integer"));
  for (int depth = 0; depth < kSqlArrayDepthMax; ++depth) array = {Type::kArray, "", {array}};
  EXPECT_THAT(Match("SELECT :v", {{"v", array}}), HasSubstr("more than 6 dimensions"));
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
