// Several statements in one commit, each with its record.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "tests/sidecar/db/session_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Query kRecord = {
    .name = "test_record",
    .args = "id bigint",
    .rows = "",
    .sql = "INSERT INTO record (id, outcome) VALUES ($1, {result})",
};

class SessionGroupsTest : public SessionFixture {
 protected:
  SessionGroupsTest() {
    database_->Run("CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL)");
    database_->Run("CREATE TABLE record (id BIGINT PRIMARY KEY, outcome TEXT NOT NULL)");
  }

  struct One {
    std::string sql;
    std::vector<SqlParameter> parameters;
    std::int64_t record;
  };
  static One Insert(std::int64_t id, const std::string& name, std::int64_t record) {
    return {kInsert, {{"id", Int(id)}, {"name", Text(name)}}, record};
  }
  void RunAlone(const One& one) {
    const Statement record(kRecord, {one.record});
    Begin();
    EXPECT_THAT(RunAndCommit(one.sql, &record, one.parameters), HasSubstr("affected"));
  }
  absl::StatusOr<SqlGroupOutcome> RunGroup(const std::vector<One>& group, const TransactionMode& mode = {},
                                           absl::Duration limit = absl::Seconds(30)) {
    std::vector<SqlCommand> commands;
    std::vector<NamedSql> sql;
    std::vector<SqlValues> values;
    std::vector<Statement> records;
    for (const One& one : group) commands.push_back({one.sql, one.parameters, 0});
    for (const One& one : group) {
      sql.push_back(*ParseNamedSql(one.sql, session_->syntax()));
      values.push_back(*MatchParameters(sql.back(), commands[sql.size() - 1]));
      records.emplace_back(kRecord, std::vector<Value>{one.record});
    }
    std::vector<SqlGroupMember> members;
    for (std::size_t n = 0; n < group.size(); ++n) members.push_back({&sql[n], &values[n], &records[n]});
    Begin(mode, limit);
    return session_->RunGroup(members);
  }
  // Nothing of `group` has taken effect, because of its `failed`; and the session goes on.
  void ExpectFailure(const std::vector<One>& group, std::optional<std::size_t> failed, const std::string& sqlstate) {
    const std::vector<std::string> items = database_->Query("SELECT name FROM item ORDER BY id");
    const std::vector<std::string> records = database_->Query("SELECT outcome FROM record ORDER BY id");
    const auto outcome = RunGroup(group);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_THAT(outcome->outcomes, IsEmpty());
    EXPECT_EQ(outcome->failed, failed);
    EXPECT_EQ(outcome->failure.sqlstate, sqlstate) << outcome->failure.message;
    EXPECT_EQ(database_->Query("SELECT name FROM item ORDER BY id"), items);
    EXPECT_EQ(database_->Query("SELECT outcome FROM record ORDER BY id"), records);
    Begin();
    EXPECT_EQ(Show(Run("SELECT 1 AS one")), "1");
    session_->RollBack();
  }

  static constexpr char kInsert[] = "INSERT INTO item (id, name) VALUES (:id, :name) RETURNING id, name";
};

TEST_P(SessionGroupsTest, EachHasTheOutcomeAndTheRecordThatItHasAlone) {
  RunAlone(Insert(1, "a \"b\"", 1));
  RunAlone(Insert(2, "a \"b\"", 2));
  EXPECT_TRUE(session_->could_group());
  session_ = OpenSession();  // that has prepared nothing
  const One update = {"UPDATE item SET name = name || '!' WHERE id < :id", {{"id", Int(3)}}, 5};
  const auto outcome = RunGroup({Insert(3, "a \"b\"", 3), Insert(4, "4", 4), update, Insert(5, "5", 6)});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_EQ(outcome->outcomes.size(), 4) << outcome->failure.message;
  const std::vector<std::string> records = database_->Query("SELECT outcome FROM record ORDER BY id");
  EXPECT_THAT(records,
              ElementsAre(HasSubstr(R"([["1", "a \"b\""]])"), HasSubstr(R"([["2", "a \"b\""]])"), outcome->outcomes[0],
                          outcome->outcomes[1], outcome->outcomes[2], outcome->outcomes[3]));
  EXPECT_EQ(outcome->outcomes[0], absl::StrCat(records[0].substr(0, records[0].find("[[\"1\"")), "[[\"3\"",
                                               records[0].substr(records[0].find("[[\"1\"") + 5)));
  EXPECT_EQ(outcome->outcomes[2], R"({"columns": [], "rows": [], "affected": 2})");
  EXPECT_THAT(database_->Query("SELECT name FROM item ORDER BY id"),
              ElementsAre("a \"b\"!", "a \"b\"!", "a \"b\"", "4", "5"));
}

TEST_P(SessionGroupsTest, OneSeesWhatThoseBeforeItHaveDone) {
  RunAlone(Insert(1, "1", 1));
  RunAlone(Insert(2, "2", 2));
  const One more = {"UPDATE item SET name = name || '+' WHERE id = 1", {}, 3};
  One again = more;
  again.record = 4;
  ASSERT_TRUE(RunGroup({more, again}).ok());
  EXPECT_EQ(database_->Query("SELECT name FROM item WHERE id = 1")[0], "1++");
}

TEST_P(SessionGroupsTest, WhereOneFailsNothingIsCommittedAndItIsKnownWhich) {
  RunAlone(Insert(1, "1", 1));
  RunAlone(Insert(2, "2", 2));
  ExpectFailure({Insert(3, "3", 3), Insert(1, "taken", 4), Insert(5, "5", 5)}, 1, "23505");
  ExpectFailure({Insert(3, "3", 3), Insert(4, "4", 4), Insert(5, "record taken", 2)}, 2, "23505");
  ExpectFailure({{"UPDATE item SET name = NULL", {}, 3}, Insert(4, "4", 4)}, 0, "23502");
  EXPECT_EQ(RunGroup({Insert(3, "3", 3), Insert(4, "4", 4)})->outcomes.size(), 2);
}

TEST_P(SessionGroupsTest, WhatIsOverItsTimeHasNotHappened) {
  RunAlone(Insert(1, "1", 1));
  RunAlone(Insert(2, "2", 2));
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(RunGroup({Insert(3, "3", 3), Insert(4, "4", 4)}, {}, absl::ZeroDuration()).status()));
  EXPECT_EQ(Count(), "2");
}

// Not CockroachDB, whose sessions say that they cannot.
INSTANTIATE_TEST_SUITE_P(Databases, SessionGroupsTest,
                         testing::Values(DatabaseKind::kSqlite, DatabaseKind::kPostgres, DatabaseKind::kPostgres18),
                         DatabaseKindName);

// ---------------------------------------------------------------- what only PostgreSQL has
class PostgresSessionGroupsTest : public SessionGroupsTest {
 protected:
  PostgresSessionGroupsTest() {
    RunAlone(Insert(1, "1", 1));
    RunAlone(Insert(2, "2", 2));
  }
};

TEST_P(PostgresSessionGroupsTest, WhatTheCommitRefusesIsNobodysOwn) {
  database_->Run("ALTER TABLE item ADD COLUMN parent BIGINT REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED");
  const One orphan = {"UPDATE item SET parent = 9 WHERE id = 1", {}, 3};
  ExpectFailure({orphan, Insert(4, "4", 4)}, std::nullopt, "23503");
  const One child = {"UPDATE item SET parent = 9 WHERE id = 1", {}, 3};
  EXPECT_EQ(RunGroup({child, Insert(9, "9", 4)})->outcomes.size(), 2) << "it is looked at when all have run";
}

TEST_P(PostgresSessionGroupsTest, WhatHasToWaitFailsAtOnceAndAloneItWaits) {
  const auto other = OpenSession();
  other->Begin({}, absl::Now() + absl::Seconds(30), kBytes);
  Run(*other, "UPDATE item SET name = 'other' WHERE id = 1");
  const One blocked = {"UPDATE item SET name = 'blocked' WHERE id = 1", {}, 3};
  const absl::Time begin = absl::Now();
  ExpectFailure({Insert(3, "3", 4), blocked}, 1, "55P03");
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  const One slow = {"UPDATE item SET name = (SELECT 'slow' FROM pg_sleep(20)) WHERE id = 2", {}, 3};
  ExpectFailure({slow, Insert(3, "3", 4)}, 0, "57014");
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  other->RollBack();
  EXPECT_EQ(RunGroup({Insert(3, "3", 4), blocked})->outcomes.size(), 2);
}

TEST_P(PostgresSessionGroupsTest, ItsLimitsAreGoneWithIt) {
  ASSERT_EQ(RunGroup({Insert(3, "3", 3), Insert(4, "4", 4)})->outcomes.size(), 2);
  Begin();
  EXPECT_EQ(Show(Run("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")), "0,0");
}

TEST_P(PostgresSessionGroupsTest, AllRunAtTheLevelThatIsAskedFor) {
  constexpr char kLevel[] = "UPDATE item SET name = current_setting('transaction_isolation') WHERE id = :id";
  const std::vector<std::pair<Isolation, std::string>> levels = {{Isolation::kSerializable, "serializable"},
                                                                 {Isolation::kRepeatableRead, "repeatable read"},
                                                                 {Isolation::kReadCommitted, "read committed"}};
  std::int64_t record = 10;
  for (const auto& [isolation, name] : levels) {
    TransactionMode mode;
    mode.isolation = isolation;
    const One first = {kLevel, {{"id", Int(1)}}, record++};
    const One second = {kLevel, {{"id", Int(2)}}, record++};
    ASSERT_EQ(RunGroup({first, second}, mode)->outcomes.size(), 2);
    EXPECT_THAT(database_->Query("SELECT name FROM item ORDER BY id"), ElementsAre(name, name));
  }
}

// Its columns are learned when it runs alone; what a group cannot do is no failure of anybody's.
TEST_P(PostgresSessionGroupsTest, AStatementThatHasNotRunBeforeIsInNoGroup) {
  const One unknown = {"INSERT INTO item VALUES (3, '3') RETURNING name", {}, 3};
  const auto outcome = RunGroup({Insert(4, "4", 4), unknown});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_THAT(outcome->outcomes, IsEmpty());
  EXPECT_EQ(Count(), "2");
}

INSTANTIATE_TEST_SUITE_P(Both, PostgresSessionGroupsTest,
                         testing::Values(DatabaseKind::kPostgres, DatabaseKind::kPostgres18), DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
