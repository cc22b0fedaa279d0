// What only PostgreSQL's sessions have: round trips, connections that are lost, its types and settings.
#include <filesystem>
#include <functional>

#include <stdlib.h>

#include "absl/strings/str_cat.h"

#include "sidecar/db/database_url.h"
#include "sidecar/db/postgres/prepared_statements.h"
#include "tests/sidecar/db/postgres_session_fixture.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::CommitPoint;
using dbos::testing::Fault;
using dbos::testing::PgProxy;
using ::testing::HasSubstr;

constexpr Query kCall = {.name = "test_call", .args = "id bigint", .rows = "", .sql = "SELECT keep($1, {result})"};

// Its plan was made for the tables as they were.
TEST_P(PostgresSessionTest, AStatementThatIsUsedOftenIsPreparedAnewNowAndThen) {
  const auto prepared = [this] {
    return Show(Run("SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT name FROM item%'"));
  };
  const auto select = [this] { return Run("SELECT name FROM item WHERE id = :id", {{"id", Int(1)}}); };
  Begin();
  select();
  const std::string first = prepared();
  EXPECT_FALSE(first.empty());
  for (int n = 1; n < kPreparedUsesMax; ++n) select();
  EXPECT_EQ(prepared(), first);
  select();
  EXPECT_NE(prepared(), first);
  EXPECT_EQ(prepared().find('|'), std::string::npos) << "the old one is gone";
  Commit();
}

// A statement that is a transaction by itself has no COMMIT that could fail; its end does.
TEST_P(PostgresSessionTest, WhatTheCommitRefusesIsAFailureAndNoLostConnection) {
  database_->Run("ALTER TABLE item ADD COLUMN parent BIGINT REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED");
  Begin();
  Insert(1);
  Commit();
  const std::string backend = [this] {
    Begin();
    std::string pid = Show(Run("SELECT pg_backend_pid()"));
    session_->RollBack();
    return pid;
  }();
  for (int time = 0; time < 3; ++time) {
    const Statement record(kNote, {std::int64_t{100}});
    Begin();
    EXPECT_THAT(RunAndCommit("UPDATE item SET parent = 9 WHERE id = 1", &record), HasSubstr("23503"));
    EXPECT_EQ(failure_.constraint, "item_parent_fkey");
    EXPECT_EQ(Count(), "1");
    Begin();
    EXPECT_EQ(Show(Run("SELECT pg_backend_pid()")), backend);
    session_->RollBack();
  }
}

TEST_P(PostgresSessionTest, RoundTripsAreAsFewAsCanBe) {
  Begin();
  Insert(1);
  Commit();
  EXPECT_EQ(RoundTrips([&] {
              Begin();
              Insert(2);
              Commit();
            }),
            2);
  const Statement record(kNote, {std::int64_t{100}});
  Begin();
  RunAndCommit("SELECT id FROM item WHERE id = :id", &record, {{"id", Int(1)}});
  const Statement next(kNote, {std::int64_t{101}});
  EXPECT_EQ(RoundTrips([&] {
              Begin();
              EXPECT_THAT(RunAndCommit("SELECT id FROM item WHERE id = :id", &next, {{"id", Int(1)}}),
                          HasSubstr(R"("rows": [["1"]], "affected": 1)"));
            }),
            1);
  EXPECT_EQ(proxy_->counts().executes, 1);
  const Statement third(kNote, {std::int64_t{102}});
  EXPECT_EQ(RoundTrips([&] {
              Begin({.isolation = Isolation::kReadCommitted});
              EXPECT_THAT(RunAndCommit("DELETE FROM item WHERE id = :id", &third, {{"id", Int(1)}}),
                          HasSubstr(R"("rows": [], "affected": 1)"));
            }),
            1);
  EXPECT_EQ(Count(), "4");
}

TEST_P(PostgresSessionTest, JoinedOrApartTheOutcomeIsTheSame) {
  database_->Run("CREATE TYPE mood AS ENUM ('glad'); CREATE DOMAIN short AS varchar(3)");
  const char* const values[] = {
      "true",
      "false",
      "NULL::bool",
      "'ab'::char(5)",
      "'x'::\"char\"",
      "12.50::numeric",
      "'NaN'::float8",
      "1e20::float8",
      "0.1::float4 + 0.2::float4",
      "'\\x00ff'::bytea",
      "'2026-01-31 23:59:59.5+02'::timestamptz",
      "'infinity'::timestamp",
      "'1 year 2 days 03:00'::interval",
      "'127.0.0.1'::inet",
      "'127.0.0.0/8'::cidr",
      "'{\"b\":1, \"a\": null}'::json",
      "'{\"b\":1, \"a\": null}'::jsonb",
      "ARRAY[true, NULL]",
      "ARRAY['a\"b', 'c,d', NULL]::text[]",
      "ROW(1, NULL)",
      "ROW(NULL, NULL)",
      "'glad'::mood",
      "ARRAY['glad'::mood]",
      "'ab'::short",
      "E'tab\\t \\\\ \"q\" \\x01 \xC3\xBC'",
      "''",
      "9223372036854775807",
      "'a'::name",
      "current_date - current_date",
      "'12:00'::time",
      "'(1,2)'::point",
      "'[1,3)'::int4range",
      "pg_sleep(0)",
  };
  for (const char* value : values) Both(absl::StrCat("SELECT ", value, " AS v, 1 AS v"));
  EXPECT_THAT(Both("SELECT 'glad'::mood AS m, 'x' AS \"a \"\"b\""),
              HasSubstr(R"({"name": "m", "type": "mood"}, {"name": "a \"b", "type": "text"})"));
  EXPECT_THAT(Both("WITH w AS (SELECT 1 AS a) SELECT a, true FROM w"), HasSubstr(R"([["1", "t"]])"));
  EXPECT_THAT(Both("VALUES (1), (2)"), HasSubstr(R"([["1"], ["2"]], "affected": 2)"));
  EXPECT_THAT(Both("TABLE item"), HasSubstr(R"("rows": [], "affected": 0)"));
  EXPECT_THAT(Both("WITH w AS (INSERT INTO item VALUES (1, 'x') ON CONFLICT DO NOTHING RETURNING id) SELECT 5"),
              HasSubstr(R"([["5"]])"));
  EXPECT_THAT(Both("SHOW DateStyle"), HasSubstr("ISO"));
  EXPECT_THAT(Both("SELECT"), HasSubstr(R"("affected": )"));
}

constexpr char kSettings[] =
    "SELECT current_setting('transaction_isolation'), current_setting('synchronous_commit'), "
    "current_setting('DateStyle'), current_setting('IntervalStyle'), current_setting('bytea_output'), "
    "current_setting('extra_float_digits'), current_setting('lock_timeout')";

TEST_P(PostgresSessionTest, SettingsAreOursWhateverTheRoleSays) {
  const std::string name = database_->Query("SELECT current_database()")[0];
  database_->Run(
      "ALTER DATABASE " + name + " SET synchronous_commit = off; ALTER DATABASE " + name +
      " SET DateStyle = 'SQL, DMY'; ALTER DATABASE " + name + " SET IntervalStyle = iso_8601; ALTER DATABASE " + name +
      " SET bytea_output = escape; ALTER DATABASE " + name + " SET extra_float_digits = -5; ALTER DATABASE " + name +
      " SET lock_timeout = 7; ALTER DATABASE " + name + " SET TimeZone = 'Asia/Tokyo'");
  const std::string ours = "serializable,on,ISO, DMY,postgres,hex,1,0";
  for (const bool pooler : {false, true}) {
    UsePooler(pooler);
    for (int time = 0; time < 2; ++time) {
      Begin();
      EXPECT_EQ(Show(Run(kSettings)), ours);
      EXPECT_EQ(Show(Run("SHOW TimeZone")), "Asia/Tokyo");
      Commit();
      Begin({.isolation = Isolation::kReadCommitted});
      EXPECT_THAT(RunAndCommit(kSettings, nullptr), HasSubstr(R"([["read committed", "on", "ISO, DMY")"));
      Begin();
      EXPECT_THAT(RunAndCommit(kSettings, nullptr), HasSubstr(R"([["serializable", "on", "ISO, DMY")"));
    }
  }
  Begin({.isolation = Isolation::kRepeatableRead, .read_only = true});
  EXPECT_EQ(Show(Run("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")),
            "repeatable read,on");
  Begin({.read_only = true, .deferrable = true});
  EXPECT_EQ(Show(Run("SHOW transaction_deferrable")), "on");
}

TEST_P(PostgresSessionTest, NothingStaysInASessionBehindAPooler) {
  UsePooler(true);
  Begin();
  Insert(1);
  EXPECT_EQ(Show(Run("SELECT count(*) FROM pg_prepared_statements")), "0");
  Commit();
  EXPECT_EQ(RoundTrips([&] {
              Begin();
              Insert(2);
              Commit();
            }),
            2);
  EXPECT_EQ(Show([&] {
              Begin();
              return Run("SELECT count(*) FROM item");
            }()),
            "2");
}

TEST_P(PostgresSessionTest, PreparedStatementsAreBoundedInTransactionsOfAnyKind) {
  const auto select = [&](int from, int to) {
    for (int n = from; n < to; ++n) EXPECT_EQ(Show(Run(absl::StrCat("SELECT ", n))), absl::StrCat(n));
    EXPECT_EQ(Show(Run("SELECT count(*) <= 259 AND count(*) > 200 FROM pg_prepared_statements")), "t");
    EXPECT_EQ(Show(Run("SELECT 0")), "0");
  };
  Begin();
  select(0, 300);
  Commit();
  for (const auto isolation : {Isolation::kReadCommitted, Isolation::kRepeatableRead}) {
    Begin({.isolation = isolation});
    select(0, 3);
    Commit();
  }
  for (int n = 0; n <= kPreparedUsesMax; ++n) {
    Begin({.isolation = Isolation::kReadCommitted});
    ASSERT_EQ(Show(Run("SHOW transaction_isolation")), "read committed") << n;
    Commit();
  }
}

TEST_P(PostgresSessionTest, ErrorsTellAllThatTheDatabaseSays) {
  database_->Run("CREATE TABLE ref (id bigint CONSTRAINT known REFERENCES item, n int CONSTRAINT few CHECK (n < 3))");
  const auto failure = [&](const std::string& sql) {
    Begin();
    const SqlAnswer answer = Run(sql);
    session_->RollBack();
    return std::get<SqlFailure>(answer);
  };
  EXPECT_EQ(failure("INSERT INTO ref VALUES (1, 1)").constraint, "known");
  EXPECT_EQ(failure("INSERT INTO ref VALUES (1, 1)").schema, "public");
  EXPECT_THAT(failure("INSERT INTO ref VALUES (1, 1)").detail, HasSubstr("(id)=(1)"));
  EXPECT_EQ(failure("INSERT INTO ref VALUES (NULL, 7)").constraint, "few");
  EXPECT_EQ(failure("INSERT INTO item VALUES (1, NULL)").column, "name");
  EXPECT_EQ(failure("SELECT '\xC3\xBC', nam FROM item").position, 13);
  EXPECT_THAT(failure("SELECT '\xC3\xBC', nam FROM item").hint, HasSubstr("name"));
  Begin();
  EXPECT_EQ(State(OpenCursor("SELECT wrong FROM item", 1)), "42703");
  Begin();
  EXPECT_EQ(std::get<SqlFailure>(OpenCursor("SELECT wrong FROM item", 1)).position, 8);
}

TEST_P(PostgresSessionTest, ARecordMayBeAFunction) {
  database_->Run(
      "CREATE FUNCTION keep(id bigint, result text) RETURNS void LANGUAGE sql AS 'INSERT INTO item VALUES (id, "
      "result)'");
  for (std::int64_t id = 1; id <= 2; ++id) {
    const Statement record(kCall, {id});
    Begin();
    EXPECT_THAT(RunAndCommit("SELECT 7 AS n", &record), HasSubstr("[[\"7\"]]"));
  }
  EXPECT_EQ(Count(), "2");
}

TEST_P(PostgresSessionTest, ChangedTablesAreNoticed) {
  std::string expected = R"("columns": [{"name": "id", "type": "int8"}, {"name": "name", "type": "text"}])";
  const auto check = [&] {
    for (int time = 0; time < 3; ++time) {
      Begin();
      EXPECT_THAT(RunAndCommit("SELECT * FROM item", nullptr), HasSubstr(expected));
    }
  };
  check();
  database_->Run("ALTER TABLE item ADD COLUMN more int");
  expected.insert(expected.size() - 1, R"(, {"name": "more", "type": "int4"})");
  check();
  database_->Run("ALTER TABLE item ALTER COLUMN more TYPE bigint");
  expected.replace(expected.rfind("int4"), 4, "int8");
  check();
  database_->Run("ALTER TABLE item DROP COLUMN more");
  expected.erase(expected.rfind(", {"));
  expected += "]";
  check();
  database_->Run("ALTER TABLE item ADD COLUMN last text");
  Begin();
  EXPECT_EQ(State(Run("SELECT * FROM item")), "40001");
  Begin();
  EXPECT_THAT(Types(Run("SELECT * FROM item")), HasSubstr("last"));
}

TEST_P(PostgresSessionTest, TypesOfParametersFollowTheirColumns) {
  const auto insert = [&](std::int64_t id) {
    Begin();
    const SqlAnswer answer = Run("INSERT INTO d VALUES (:id, :v)", {{"id", Int(id)}, {"v", Text("2026-01-31 extra")}});
    if (State(answer).empty()) Commit();
    return State(answer);
  };
  database_->Run("CREATE TABLE d (id bigint, v text)");
  EXPECT_EQ(insert(1), "");
  database_->Run("DROP TABLE d; CREATE TABLE d (id bigint, v bigint)");
  for (int time = 0; time < 3; ++time) insert(1);
  database_->Run("DROP TABLE d; CREATE TABLE d (id bigint, v text)");
  insert(1);
  EXPECT_EQ(insert(2), "");
  Begin();
  EXPECT_EQ(Show(Run("SELECT count(*) <= 5 FROM pg_prepared_statements")), "t") << "those that were forgotten are gone";
}

// It takes any bytes, and counts them.
TEST_P(PostgresSessionTest, ADatabaseWithoutAnEncodingGivesNothingElseThanUtf8) {
  const std::string name = database_->Query("SELECT current_database()")[0] + "_ascii";
  database_->Run("CREATE DATABASE " + name + " ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
  session_ = OpenSession(*OpenDatabase(WithDatabaseName(url_, name), "dbos"));
  const std::string sql = "SELECT convert_from(:b, 'SQL_ASCII')";
  for (const char* bytes : {"x", "\xFF", "\xFF", "\xC3\xBC"}) {
    Begin();
    EXPECT_THAT(RunAndCommit(sql, nullptr, {{"b", Typed(SqlValue::Type::kBytea, bytes)}}),
                HasSubstr(bytes[0] == '\xFF' ? "22021" : absl::StrCat("[[\"", bytes, "\"]]")));
  }
  Begin();
  EXPECT_EQ(std::get<SqlFailure>(Run("SELECT '\xC3\xBC', nam FROM item")).sqlstate, "42P01");
  Begin();
  EXPECT_EQ(std::get<SqlFailure>(Run("SELECT '\xC3\xBC', nam")).position, 13);
  session_.reset();
  database_->Run("DROP DATABASE " + name + " WITH (FORCE)");
}

TEST_P(PostgresSessionTest, WhatCannotBeJoinedIsTriedOnce) {
  database_->Run(
      "CREATE DOMAIN short AS text; CREATE TABLE d (v short); INSERT INTO d VALUES ('x'); "
      "CREATE TABLE noted (n bigint); CREATE RULE also AS ON INSERT TO d DO ALSO INSERT INTO noted VALUES (1)");
  for (const std::string sql : {"SELECT v FROM d", "INSERT INTO d VALUES ('y')"}) {
    for (int time = 0; time < 2; ++time) {
      Begin();
      EXPECT_THAT(RunAndCommit(sql, nullptr), HasSubstr("\"affected\": 1"));
    }
    EXPECT_EQ(RoundTrips([&] {
                Begin();
                RunAndCommit(sql, nullptr);
              }),
              2)
        << sql;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, PostgresSessionTest,
                         ::testing::Values(DatabaseKind::kPostgres, DatabaseKind::kPostgres18), DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
