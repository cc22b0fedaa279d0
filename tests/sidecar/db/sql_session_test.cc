#include "sidecar/db/sql_session.h"

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

class SqlSessionTest : public SessionFixture {
 protected:
  SqlSessionTest() { database_->Run("CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL)"); }

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

INSTANTIATE_OVER_DATABASES(SqlSessionTest);

}  // namespace
}  // namespace dbos::sidecar
