// Statements whose answers nobody waits for: they run with the next call, before it, and are answered only where one
// fails.
#include <deque>

#include "tests/sidecar/db/session_fixture.h"

namespace dbos::sidecar {
namespace {

constexpr Query kNote = {
    .name = "test_note",
    .args = "id bigint",
    .rows = "",
    .sql = "INSERT INTO item (id, name) VALUES ($1, 'record')",
};
constexpr char kAll[] = "SELECT id, name FROM item ORDER BY id";

class DeferredSessionTest : public SessionFixture {
 protected:
  DeferredSessionTest() { database_->Run("CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL)"); }

  void Defer(const std::string& sql, std::vector<SqlParameter> parameters = {}) {
    Kept& kept = kept_.emplace_back(Kept{{sql, std::move(parameters), 0}, {}, {}});
    const auto named = ParseNamedSql(sql, session_->syntax());
    ASSERT_TRUE(named.ok()) << named.status();
    kept.sql = *named;
    const auto values = MatchParameters(kept.sql, kept.command);
    ASSERT_TRUE(values.ok()) << values.status();
    kept.values = *values;
    session_->Defer(kept.sql, kept.values);
  }
  void DeferInsert(std::int64_t id, const std::string& name = "x") {
    Defer("INSERT INTO item (id, name) VALUES (:id, :name)", {{"id", Int(id)}, {"name", Text(name)}});
  }
  std::string Stored() {
    std::string stored;
    for (const std::string& row : database_->Query(kAll)) stored += (stored.empty() ? "" : " | ") + row;
    return stored;
  }
  static SqlFailure FailureOf(const SqlAnswer& answer) {
    const auto* failure = std::get_if<SqlFailure>(&answer);
    return failure == nullptr ? SqlFailure() : *failure;
  }

 private:
  struct Kept {
    SqlCommand command;
    NamedSql sql;
    SqlValues values;
  };
  std::deque<Kept> kept_;  // borrowed by the session
};

// Rows of the cursor that have been read ahead, or its end, do not keep them back.
TEST_P(DeferredSessionTest, TheyRunWithAFetchThatHasItsRowsAlready) {
  constexpr int kLarge = 300'000;
  Begin();
  for (const int id : {1, 2, 3}) DeferInsert(id, std::string(kLarge, 'x'));
  ASSERT_EQ(std::get<SqlRows>(OpenCursor("SELECT id, name FROM item WHERE id < 10 ORDER BY id", 100)).affected, 1);
  DeferInsert(11);
  EXPECT_EQ(std::get<SqlRows>(Answer(session_->Fetch(100))).affected, 1);
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "4");
  EXPECT_EQ(std::get<SqlRows>(Answer(session_->Fetch(100))).affected, 1);
  EXPECT_EQ(std::get<SqlRows>(Answer(session_->Fetch(100))).affected, 0);
  DeferInsert(12);
  EXPECT_EQ(std::get<SqlRows>(Answer(session_->Fetch(100))).affected, 0);
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "5");
  DeferInsert(12);
  const SqlFailure failure = FailureOf(Answer(session_->Fetch(100)));
  EXPECT_EQ(failure.sqlstate, "23505");
  EXPECT_EQ(failure.deferred, 1U);
}

TEST_P(DeferredSessionTest, TheyRunInTheirOrderBeforeTheNextStatement) {
  Begin();
  DeferInsert(1, "one");
  Defer("UPDATE item SET name = name || '!' RETURNING id, name");
  Defer("SELECT name, name, id FROM item");
  EXPECT_EQ(Types(Run(kAll)), "id:int8,name:text") << "rows of the deferred ones are dropped";
  DeferInsert(2, "two");
  EXPECT_EQ(Show(Run(kAll)), "1,one! | 2,two");
  EXPECT_EQ(Count(), "0") << "nothing is committed";
  Commit();
  EXPECT_EQ(Stored(), "1,one! | 2,two");
}

TEST_P(DeferredSessionTest, TheyAreCommittedWithTheRecordThoughNothingElseHasRun) {
  Begin();
  DeferInsert(1);
  DeferInsert(2);
  const Statement record(kNote, {std::int64_t{3}});
  EXPECT_EQ(State(Answer(session_->Commit(&record))), "");
  EXPECT_EQ(Stored(), "1,x | 2,x | 3,record");
  Begin();
  DeferInsert(4);
  Commit();
  EXPECT_EQ(Count(), "4") << "without a record as well";
}

TEST_P(DeferredSessionTest, TheFirstThatFailsIsTheAnswerAndNothingBehindItHasRun) {
  Begin();
  DeferInsert(1);
  Defer("INSERT INTO item (id, name) VALUES (:id, nonsense)", {{"id", Int(2)}});
  DeferInsert(3);
  const SqlFailure failure = FailureOf(Run("INSERT INTO item VALUES (4, 'x')"));
  EXPECT_EQ(failure.sqlstate, "42703") << failure.message;
  EXPECT_EQ(failure.deferred, 2U);
  EXPECT_EQ(failure.position, 42U) << "in its own text";
  DeferInsert(5);
  const SqlFailure aborted = FailureOf(Run("SELECT 1"));
  EXPECT_EQ(aborted.sqlstate, "25P02");
  EXPECT_EQ(aborted.deferred, 0U) << "it is about the whole transaction";
  EXPECT_EQ(State(Answer(session_->Commit(nullptr))), "25P02");
  EXPECT_EQ(Count(), "0");
}

TEST_P(DeferredSessionTest, TheFailureOfTheStatementItselfIsNotTheirs) {
  Begin();
  DeferInsert(1);
  const SqlFailure failure = FailureOf(Run("INSERT INTO item VALUES (1, 'again')"));
  EXPECT_EQ(failure.sqlstate, "23505");
  EXPECT_EQ(failure.deferred, 0U);
  session_->RollBack();
}

TEST_P(DeferredSessionTest, WhenOneFailsNothingIsCommitted) {
  const Statement record(kNote, {std::int64_t{3}});
  for (const std::int64_t second : {1, 3}) {
    Begin();
    DeferInsert(1);
    DeferInsert(second);
    const SqlFailure failure = FailureOf(Answer(session_->Commit(&record)));
    EXPECT_EQ(failure.sqlstate, "23505") << failure.message;
    EXPECT_EQ(failure.deferred, second == 1 ? 2U : 0U) << "or it was the record";
    EXPECT_EQ(Count(), "0");
  }
  Begin();
  DeferInsert(1);
  DeferInsert(1);
  EXPECT_EQ(FailureOf(Answer(session_->Commit(nullptr))).deferred, 2U) << "without a record as well";
  Begin();
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "0") << "the session goes on";
  Commit();
}

TEST_P(DeferredSessionTest, OneThatFailsWithinASavepointIsUndoneWithIt) {
  Begin();
  DeferInsert(1);
  Savepoint(SavepointAction::kSet);
  DeferInsert(1, "again");
  const SqlFailure failure = FailureOf(Savepoint(SavepointAction::kRelease));
  EXPECT_EQ(failure.sqlstate, "23505");
  EXPECT_EQ(failure.deferred, 1U);
  DeferInsert(2, "it goes with what is refused");
  const SqlFailure refused = FailureOf(Savepoint(SavepointAction::kRollBack));
  EXPECT_EQ(refused.sqlstate, "25P02");
  EXPECT_EQ(refused.deferred, 0U) << "none of them was tried";
  EXPECT_EQ(State(Savepoint(SavepointAction::kRollBack)), "");
  DeferInsert(3);
  Commit();
  EXPECT_EQ(Stored(), "1,x | 3,x");
}

TEST_P(DeferredSessionTest, ARollbackForgetsThem) {
  Begin();
  DeferInsert(1);
  session_->RollBack();
  Begin();
  DeferInsert(2);
  Begin();
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "0");
  Commit();
  EXPECT_EQ(Count(), "0");
}

TEST_P(DeferredSessionTest, TheyGoWithThePagesOfACursor) {
  database_->Run("INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  Begin();
  DeferInsert(4, "d");
  EXPECT_EQ(Show(OpenCursor("SELECT id FROM item ORDER BY id", 2)), "1 | 2");
  Defer("UPDATE item SET name = 'seen' WHERE id < 3");
  EXPECT_EQ(Show(Answer(session_->Fetch(2))), "3 | 4");
  DeferInsert(4);
  EXPECT_EQ(FailureOf(Answer(session_->Fetch(2))).deferred, 1U);
  session_->RollBack();
  Begin();
  Defer("SELECT nonsense");
  EXPECT_EQ(FailureOf(OpenCursor("SELECT id FROM item", 2)).deferred, 1U);
  session_->RollBack();
}

TEST_P(DeferredSessionTest, ACursorThatWasNotClosedForTheirFailureIsStillOpen) {
  database_->Run("INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  Begin();
  EXPECT_EQ(Show(OpenCursor("SELECT id FROM item ORDER BY id", 2)), "1 | 2");
  Savepoint(SavepointAction::kSet);
  DeferInsert(1);
  EXPECT_EQ(FailureOf(OpenCursor("SELECT id FROM item", 2)).deferred, 1U);
  EXPECT_EQ(State(Savepoint(SavepointAction::kRollBack)), "");
  EXPECT_EQ(Show(Answer(session_->Fetch(2))), "3");
  EXPECT_EQ(Show(OpenCursor("SELECT name FROM item ORDER BY id", 1)), "a");
  Commit();
}

// The last round is the one in which the 501st of them is sent. None was prepared before.
TEST_P(DeferredSessionTest, ManyOfOneTextBehindAFailureRunInTheEnd) {
  for (int round = 0; round < 6; ++round) {
    Begin();
    Defer("INSERT INTO item (id, name) VALUES (1000, :name)", {{"name", round < 5 ? SqlValue() : Text("x")}});
    for (int n = 0; n < 99; ++n) DeferInsert(n);
    EXPECT_EQ(State(Answer(session_->Commit(nullptr))), round < 5 ? "23502" : "");
  }
  EXPECT_EQ(Count(), "100");
}

TEST_P(DeferredSessionTest, TheirRowsCountForNothing) {
  Begin();
  const std::string rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)";
  Defer(rows + " SELECT i, 'a text that fills the room' FROM n");
  EXPECT_EQ(Show(Run("SELECT 1")), "1");
  DeferInsert(1);
  Commit();
  EXPECT_EQ(Count(), "1");
}

TEST_P(DeferredSessionTest, AHundredOfThemAgainAndAgain) {
  for (int round = 0; round < 4; ++round) {
    Begin();
    for (int n = 0; n < 50; ++n) DeferInsert(round * 50 + n);
    for (int n = 0; n < 50; ++n) {
      Defer("UPDATE item SET name = '" + std::to_string(round * 50 + n) + "' WHERE id = " + std::to_string(n));
    }
    EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), std::to_string((round + 1) * 50));
    Commit();
  }
  EXPECT_EQ(database_->Query("SELECT name FROM item WHERE id = 7")[0], "157");
}

INSTANTIATE_OVER_DATABASES(DeferredSessionTest);

}  // namespace
}  // namespace dbos::sidecar
