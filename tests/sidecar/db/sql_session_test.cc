#include "sidecar/db/sql_session.h"

#include <atomic>
#include <thread>

#include "tests/sidecar/db/session_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::HasSubstr;

constexpr Query kNote = {
    .name = "test_note",
    .args = "id bigint",
    .rows = "",
    .sql = "INSERT INTO item (id, name) VALUES ($1, 'record')",
};
constexpr Query kNoteResult = {
    .name = "test_note_result",
    .args = "id bigint",
    .rows = "",
    .sql = "INSERT INTO item (id, name) VALUES ($1, {result})",
};
constexpr Query kNames = {.name = "test_names", .args = "", .rows = "", .sql = "SELECT name FROM item ORDER BY id"};

constexpr char kEndless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000000) SELECT i FROM n";
constexpr char kSlow[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000000) SELECT max(i) FROM n";

class SqlSessionTest : public SessionFixture {
 protected:
  SqlSessionTest() { database_->Run("CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL)"); }

  // As somebody else.
  void RunElsewhere(const std::string& sql) { database_->Run(sql); }
  SqlAnswer Insert(std::int64_t id, const std::string& name = "x") {
    return Run("INSERT INTO item (id, name) VALUES (:id, :name)", {{"name", Text(name)}, {"id", Int(id)}});
  }
};

TEST_P(SqlSessionTest, CommitsWhatItRan) {
  Begin();
  const SqlAnswer answer = Insert(1, "one");
  EXPECT_EQ(std::get<SqlRows>(answer).affected, 1);
  EXPECT_EQ(Show(Run("SELECT id, name FROM item")), "1,one");
  Commit();
  EXPECT_EQ(Count(), "1");
  Begin();
  EXPECT_EQ(Show(Run("UPDATE item SET name = :n RETURNING id AS key, name", {{"n", Text("two")}})), "1,two");
  Commit();
}

TEST_P(SqlSessionTest, RollsBackWhatItRan) {
  Begin();
  Insert(1);
  session_->RollBack();
  EXPECT_EQ(Count(), "0");
  Begin();
  Insert(1);
  session_.reset();
  EXPECT_EQ(Count(), "0");
}

TEST_P(SqlSessionTest, CommitsTheRecordWithTheRest) {
  Begin();
  Insert(1);
  EXPECT_EQ(State(Answer(session_->Commit(std::make_unique<Statement>(kNote, std::vector<Value>{2}).get()))), "");
  EXPECT_EQ(Count(), "2");
  Begin();
  Insert(3);
  const Statement twice(kNote, {std::int64_t{2}});
  const SqlAnswer answer = Answer(session_->Commit(&twice));
  EXPECT_EQ(State(answer), "23505");
  EXPECT_EQ(std::get<SqlFailure>(answer).table, "item");
  EXPECT_EQ(Count(), "2");
}

TEST_P(SqlSessionTest, AFailureTakesTheTransactionAlong) {
  Begin();
  Insert(1);
  EXPECT_EQ(State(Run("SELECT nonsense FROM item")), "42703");
  const SqlAnswer next = Run("SELECT 1");
  EXPECT_EQ(State(next), "25P02");
  EXPECT_THAT(std::get<SqlFailure>(next).message, HasSubstr("nonsense"));
  const SqlAnswer commit = Answer(session_->Commit(nullptr));
  EXPECT_EQ(State(commit), "25P02");
  EXPECT_THAT(std::get<SqlFailure>(commit).message, HasSubstr("nonsense"));
  EXPECT_EQ(Count(), "0");
  Begin();
  Insert(1);
  Commit();
}

TEST_P(SqlSessionTest, OneStatementIsATransactionWithItsRecord) {
  Begin();
  const auto named = ParseNamedSql("INSERT INTO item (id, name) VALUES (1, :n) RETURNING id, name", session_->syntax());
  const SqlValue name = Text("a \"b\"");
  const Statement record(kNoteResult, {std::int64_t{2}});
  const auto outcome = session_->RunAndCommit(*named, {&name}, &record);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const std::string expected = R"({"columns": [{"name": "id", "type": "int8"}, {"name": "name", "type": "text"}], )"
                               R"("rows": [["1", "a \"b\""]], "affected": 1})";
  EXPECT_EQ(std::get<std::string>(*outcome), expected);
  EXPECT_EQ(database_->Query("SELECT name FROM item WHERE id = 2")[0], expected);
}

TEST_P(SqlSessionTest, RunsOurOwnStatementsOutsideOfTransactions) {
  ASSERT_TRUE(session_->RunScript("INSERT INTO item VALUES (1, 'a'); INSERT INTO item VALUES (2, 'b')").ok());
  const auto names = session_->Execute(Statement(kNames));
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_EQ(names->size(), 2);
  EXPECT_EQ((*names)[1].Text(0), "b");
  EXPECT_TRUE(absl::IsAlreadyExists(session_->Execute(Statement(kNote, {std::int64_t{1}})).status()));
}

TEST_P(SqlSessionTest, OneStatementThatFailsLeavesNothing) {
  RunElsewhere("INSERT INTO item (id, name) VALUES (1, 'one')");
  const Statement taken(kNoteResult, {std::int64_t{1}});
  for (int time = 0; time < 2; ++time) {
    Begin();
    EXPECT_THAT(RunAndCommit("UPDATE item SET name = 'two' RETURNING id", &taken), HasSubstr("23505"));
    EXPECT_EQ(failure_.table, "item");
    Begin();
    EXPECT_THAT(RunAndCommit("UPDATE item SET name = 'two'", &taken), HasSubstr("23505"));
    Begin();
    EXPECT_THAT(RunAndCommit("  SELECT id, wrong FROM item", &taken), HasSubstr("42703"));
    EXPECT_EQ(failure_.position, 14);
  }
  EXPECT_THAT(database_->Query("SELECT name FROM item"), testing::ElementsAre("one"));
}

TEST_P(SqlSessionTest, OneStatementMayReturnNothingOrBeAnything) {
  const std::string nothing = R"({"columns": [], "rows": [], "affected": )";
  Begin();
  EXPECT_EQ(RunAndCommit("CREATE TABLE other (n BIGINT)", nullptr), nothing + "0}");
  Begin();
  EXPECT_EQ(RunAndCommit("INSERT INTO other VALUES (1), (2)", nullptr), nothing + "2}");
  const Statement record(kNoteResult, {std::int64_t{1}});
  Begin();
  EXPECT_EQ(RunAndCommit("DELETE FROM other WHERE n > 5 -- none", &record), nothing + "0}");
  EXPECT_EQ(database_->Query("SELECT name FROM item")[0], nothing + "0}");
  for (int time = 0; time < 2; ++time) {
    Begin();
    EXPECT_EQ(RunAndCommit("SELECT n FROM other ORDER BY n DESC", nullptr),
              R"({"columns": [{"name": "n", "type": "int8"}], "rows": [["2"], ["1"]], "affected": 2})");
    Begin({.read_only = true});
    EXPECT_EQ(RunAndCommit("SELECT n FROM other WHERE n = 1", nullptr),
              R"({"columns": [{"name": "n", "type": "int8"}], "rows": [["1"]], "affected": 1})");
  }
}

TEST_P(SqlSessionTest, RowsThatDoNotFitAreRefusedWithTheFix) {
  for (int time = 0; time < 2; ++time) {
    Begin();
    Insert(1);
    const auto named = ParseNamedSql(kEndless, session_->syntax());
    const auto rows = session_->Run(*named, {});
    EXPECT_TRUE(absl::IsResourceExhausted(rows.status())) << rows.status();
    EXPECT_THAT(std::string(rows.status().message()), HasSubstr("1048576"));
    EXPECT_EQ(Count(), "0");
    Begin();
    const std::string big(kBytes, 'x');
    EXPECT_THAT(RunAndCommit("INSERT INTO item VALUES (2, :n) RETURNING name", nullptr, {{"n", Text(big)}}),
                HasSubstr("RESOURCE_EXHAUSTED"));
    EXPECT_EQ(Count(), "0");
    Begin();
    EXPECT_THAT(RunAndCommit("INSERT INTO item VALUES (2, :n) RETURNING name", nullptr, {{"n", Text("x")}}),
                HasSubstr(R"(["x"])"));
    RunElsewhere("DELETE FROM item");
  }
}

TEST_P(SqlSessionTest, CursorsGiveRowsPageByPage) {
  for (int n = 1; n <= 5; ++n) RunElsewhere("INSERT INTO item VALUES (" + std::to_string(n) + ", 'x')");
  EXPECT_TRUE(absl::IsFailedPrecondition(session_->Fetch(1).status()) ||
              absl::IsInvalidArgument(session_->Fetch(1).status()));
  Begin();
  EXPECT_TRUE(absl::IsInvalidArgument(session_->Fetch(1).status()));
  SqlAnswer page = OpenCursor("SELECT id, name FROM item ORDER BY id", 2);
  EXPECT_EQ(Show(page), "1,x | 2,x");
  EXPECT_EQ(Types(page), "id:int8,name:text");
  EXPECT_TRUE(std::get<SqlRows>(page).more);
  EXPECT_EQ(Show(Run("SELECT 7")), "7");
  Run("INSERT INTO item VALUES (9, 'y')");
  page = Answer(session_->Fetch(4));
  EXPECT_EQ(Show(page).substr(0, 15), "3,x | 4,x | 5,x");
  EXPECT_EQ(Show(OpenCursor("SELECT id FROM item ORDER BY id DESC", 1)), "9");
  page = Answer(session_->Fetch(100));
  EXPECT_EQ(Show(page), "5 | 4 | 3 | 2 | 1");
  EXPECT_FALSE(std::get<SqlRows>(page).more);
  EXPECT_EQ(Show(Answer(session_->Fetch(1))), "");
  EXPECT_EQ(State(OpenCursor("DELETE FROM item RETURNING id", 1)), "42601");
  EXPECT_EQ(State(Answer(session_->Commit(nullptr))), "25P02");
}

TEST_P(SqlSessionTest, SavepointsUndoWhatCameAfterThem) {
  Begin();
  EXPECT_TRUE(absl::IsInvalidArgument(session_->Savepoint(SavepointAction::kRelease).status()));
  EXPECT_EQ(State(Savepoint(SavepointAction::kSet)), "");
  Insert(1);
  EXPECT_EQ(State(Savepoint(SavepointAction::kSet)), "");
  Insert(2);
  EXPECT_EQ(State(Insert(2)), "23505");
  EXPECT_EQ(State(Savepoint(SavepointAction::kSet)), "25P02");
  EXPECT_EQ(State(Savepoint(SavepointAction::kRelease)), "25P02");
  EXPECT_EQ(State(Savepoint(SavepointAction::kRollBack)), "");
  EXPECT_EQ(Show(Run("SELECT id FROM item")), "1");
  Insert(3);
  EXPECT_EQ(State(Savepoint(SavepointAction::kRelease)), "");
  EXPECT_TRUE(absl::IsInvalidArgument(session_->Savepoint(SavepointAction::kRollBack).status()));
  Commit();
  EXPECT_EQ(Count(), "2");
}

TEST_P(SqlSessionTest, ACursorEndsWithTheSavepointThatItWasOpenedIn) {
  for (int n = 1; n <= 3; ++n) RunElsewhere("INSERT INTO item VALUES (" + std::to_string(n) + ", 'x')");
  Begin();
  OpenCursor("SELECT id FROM item ORDER BY id", 1);
  Savepoint(SavepointAction::kSet);
  Savepoint(SavepointAction::kRollBack);
  EXPECT_EQ(Show(Answer(session_->Fetch(1))), "2");
  Savepoint(SavepointAction::kSet);
  OpenCursor("SELECT id FROM item ORDER BY id", 1);
  Savepoint(SavepointAction::kRollBack);
  EXPECT_TRUE(absl::IsInvalidArgument(session_->Fetch(1).status()));
}

TEST_P(SqlSessionTest, ReadOnlyTransactionsWriteNothing) {
  Begin({.read_only = true});
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "0");
  EXPECT_EQ(State(Insert(1)), "25006");
  Begin();
  Insert(1);
  Commit();
}

TEST_P(SqlSessionTest, TimeThatIsOverRollsBack) {
  Begin();
  Run("SELECT 1");  // connects
  Begin({}, absl::Milliseconds(300));
  Insert(1);
  const auto endless = ParseNamedSql(kSlow, session_->syntax());
  EXPECT_TRUE(absl::IsDeadlineExceeded(session_->Run(*endless, {}).status()));
  Begin({}, absl::ZeroDuration());
  EXPECT_TRUE(absl::IsDeadlineExceeded(session_->Commit(std::make_unique<Statement>(kNames).get()).status()));
  Begin();
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "0");
}

TEST_P(SqlSessionTest, AnInterruptEndsWhatRunsAndNothingElse) {
  session_->Interrupt();
  Begin();
  Insert(1);
  session_->Interrupt();
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "1");
  std::atomic<bool> done = false;
  std::thread interrupter([&] {
    while (!done) {
      session_->Interrupt();
      std::this_thread::yield();
    }
  });
  const auto endless = ParseNamedSql(kSlow, session_->syntax());
  EXPECT_TRUE(absl::IsDeadlineExceeded(session_->Run(*endless, {}).status()));
  done = true;
  interrupter.join();
  Begin();
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "0");
  Commit();
}

INSTANTIATE_OVER_DATABASES(SqlSessionTest);

}  // namespace
}  // namespace dbos::sidecar
