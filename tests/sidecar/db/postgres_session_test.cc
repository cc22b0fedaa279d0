// What only PostgreSQL's sessions have: round trips, connections that are lost, its types and settings.
#include <filesystem>

#include <stdlib.h>

#include "absl/strings/str_cat.h"

#include "sidecar/db/postgres/prepared_statements.h"
#include "tests/sidecar/db/session_fixture.h"
#include "tests/testing/proxy/pg_proxy.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::CommitPoint;
using dbos::testing::Fault;
using dbos::testing::PgProxy;
using ::testing::HasSubstr;

constexpr Query kNote = {
    .name = "test_note",
    .args = "id bigint",
    .rows = "",
    .sql = "INSERT INTO item (id, name) VALUES ($1, {result})",
};
constexpr Query kCall = {.name = "test_call", .args = "id bigint", .rows = "", .sql = "SELECT keep($1, {result})"};
constexpr Query kCount = {.name = "test_count", .args = "", .rows = "", .sql = "SELECT count(*) FROM item"};

// The test's database through a proxy.
class PostgresSessionTest : public SessionFixture {
 protected:
  void SetUp() override {
    database_->Run("CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL)");
    const std::string path = database_->Query("SHOW unix_socket_directories")[0];
    const std::string port = database_->Query("SHOW port")[0];
    auto proxy = PgProxy::Start({.upstream = absl::StrCat(path.substr(0, path.find(',')), "/.s.PGSQL.", port),
                                 .listen = absl::StrCat(directory_, "/.s.PGSQL.5432")});
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    url_ = proxy_->Url(database_->Query("SELECT current_user")[0], database_->Query("SELECT current_database()")[0]);
    session_ = OpenDatabase(url_, "dbos")->open_session();
  }
  void TearDown() override {
    session_.reset();
    proxy_.reset();
    std::filesystem::remove_all(directory_);
  }

  void UseOptions(const ConnectionOptions& options) { session_ = OpenDatabase(url_, "dbos", options)->open_session(); }
  std::int64_t RoundTrips(const std::function<void()>& body) {
    proxy_->ResetCounts();
    body();
    return proxy_->counts().syncs;
  }
  void EndSessions() {
    database_->Run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
        "pg_backend_pid()");
  }
  SqlAnswer Insert(std::int64_t id) {
    return Run("INSERT INTO item (id, name) VALUES (:id, :name)", {{"name", Text("x")}, {"id", Int(id)}});
  }
  std::string Both(const std::string& sql, std::vector<SqlParameter> parameters = {}) {
    std::string outcomes[2];
    for (std::string& outcome : outcomes) {
      Begin();
      outcome = RunAndCommit(sql, nullptr, parameters);
    }
    EXPECT_EQ(outcomes[0], outcomes[1]) << sql;
    return outcomes[1];
  }

  std::string directory_ = [] {
    std::string path = (std::filesystem::temp_directory_path() / "session-XXXXXX").string();
    return std::string(mkdtemp(path.data()));
  }();
  std::unique_ptr<PgProxy> proxy_;
  std::string url_;
};

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

TEST_P(PostgresSessionTest, ASessionThatWasLostWhileIdleIsOpenedAgain) {
  for (int id = 1; id <= 2; ++id) {
    Begin();
    EXPECT_EQ(State(Insert(id)), "");
    Commit();
    EndSessions();
  }
  Begin();
  const Statement record(kNote, {std::int64_t{9}});
  EXPECT_THAT(RunAndCommit("DELETE FROM item WHERE id = 1", &record), HasSubstr("\"affected\": 1"));
  EXPECT_EQ(Count(), "2");
  Begin();
  Insert(3);
  EndSessions();
  EXPECT_TRUE(absl::IsUnavailable(session_->Commit(nullptr).status()));
  EXPECT_EQ(Count(), "2");
  Begin();
  Insert(3);
  Commit();
}

TEST_P(PostgresSessionTest, ABrokenConnectionIsNoticedWhereNobodySaidSo) {
  Begin();
  Insert(1);
  Commit();
  proxy_->Arm({.fault = Fault::kDropBefore, .at = CommitPoint::kAny});
  Begin();
  EXPECT_TRUE(absl::IsUnavailable(
      session_->RunAndCommit(*ParseNamedSql("DELETE FROM item", SqlSyntax::kPostgres), {}, nullptr).status()));
  EXPECT_EQ(Count(), "1");
}

TEST_P(PostgresSessionTest, ALostAnswerToCommitIsUnavailableAndNotRepeated) {
  for (const Fault fault : {Fault::kSwallowAnswer, Fault::kDropBefore}) {
    Begin();
    Insert(fault == Fault::kDropBefore ? 2 : 1);
    proxy_->Arm({.fault = fault});
    EXPECT_TRUE(absl::IsUnavailable(session_->Commit(nullptr).status()));
    EXPECT_TRUE(absl::IsFailedPrecondition(session_->Commit(nullptr).status()));
  }
  EXPECT_EQ(Count(), "1");
  proxy_->Arm({.fault = Fault::kSwallowAnswer, .at = CommitPoint::kAny, .mentions = "item"});
  Begin();
  EXPECT_THAT(RunAndCommit("INSERT INTO item VALUES (3, 'x')", nullptr), HasSubstr("UNAVAILABLE"));
  EXPECT_EQ(Count(), "2");
}

INSTANTIATE_TEST_SUITE_P(Both, PostgresSessionTest,
                         ::testing::Values(DatabaseKind::kPostgres, DatabaseKind::kPostgres18), DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
