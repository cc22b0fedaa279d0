// What only SQLite's sessions have: locks, turns, its errors.
#include <atomic>
#include <csignal>
#include <thread>

#include <sys/resource.h>

#include "sidecar/db/sqlite/write_turns.h"
#include "tests/sidecar/db/session_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::HasSubstr;

constexpr Query kInsert = {
    .name = "test_insert", .args = "id bigint", .rows = "", .sql = "INSERT INTO item (id, name) VALUES ($1, 'x')"};

class SqliteSessionTest : public SessionFixture {
 protected:
  SqliteSessionTest() {
    database_->Run("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK (name <> 'bad'))");
  }
  SqlAnswer Insert(SqlSession& session, std::int64_t id) {
    return Run(session, "INSERT INTO item VALUES (:id, 'x')", {{"id", Int(id)}});
  }
};

TEST_P(SqliteSessionTest, ErrorsHavePostgresCodesAndNames) {
  database_->Run(
      "CREATE TABLE two (a INTEGER, b TEXT, UNIQUE (a, b)); INSERT INTO two VALUES (1, 'x'); "
      "CREATE TABLE child (id INTEGER REFERENCES item(id)); CREATE TABLE strict_one (n INTEGER) STRICT");
  const auto failure = [&](const std::string& sql) {
    Begin();
    const SqlAnswer answer = Run(sql);
    session_->RollBack();
    const auto* found = std::get_if<SqlFailure>(&answer);
    return found == nullptr ? SqlFailure() : *found;
  };
  EXPECT_EQ(failure("INSERT INTO two VALUES (1, 'x')").sqlstate, "23505");
  EXPECT_EQ(failure("INSERT INTO two VALUES (1, 'x')").table, "two");
  EXPECT_EQ(failure("INSERT INTO two VALUES (1, 'x')").column, "a, b");
  EXPECT_EQ(failure("INSERT INTO item VALUES (1, NULL)").sqlstate, "23502");
  EXPECT_EQ(failure("INSERT INTO item VALUES (1, NULL)").column, "name");
  EXPECT_EQ(failure("INSERT INTO item VALUES (1, 'bad')").sqlstate, "23514");
  EXPECT_EQ(failure("INSERT INTO item VALUES (1, 'bad')").constraint, "name <> 'bad'");
  EXPECT_EQ(failure("INSERT INTO child VALUES (7)").sqlstate, "23503");
  EXPECT_EQ(failure("INSERT INTO strict_one VALUES ('x')").sqlstate, "42804");
  EXPECT_EQ(failure("SELEC 1").sqlstate, "42601");
  EXPECT_EQ(failure("SELECT").sqlstate, "42601");
  EXPECT_EQ(failure("SELECT (1; SELECT 2").sqlstate, "42601");
  EXPECT_EQ(failure("SELECT * FROM nowhere").sqlstate, "42P01");
  EXPECT_EQ(failure("SELECT f(1)").sqlstate, "42883");
  EXPECT_EQ(failure("CREATE TABLE item (n)").sqlstate, "42P07");
  EXPECT_EQ(failure("SELECT json_extract('{', '$')").sqlstate, "22P02");
  EXPECT_EQ(failure("SELECT abs(-9223372036854775808)").sqlstate, "22003");
  EXPECT_EQ(failure("SELECT '\xC3\xBC', wrong FROM item").position, 13);
}

TEST_P(SqliteSessionTest, AQuotedNameThatIsNoColumnsIsAMistakeAndNoText) {
  Begin();
  EXPECT_EQ(State(Run("DELETE FROM item WHERE \"nmae\" = 'nmae'")), "42703");
  Begin();
  EXPECT_NE(State(Run("CREATE INDEX i ON item (\"nmae\")")), "");
}

TEST_P(SqliteSessionTest, ConstraintsThatAreDeferredFailTheCommit) {
  database_->Run("CREATE TABLE child (id INTEGER REFERENCES item(id) DEFERRABLE INITIALLY DEFERRED)");
  Begin();
  EXPECT_EQ(State(Run("INSERT INTO child VALUES (7)")), "");
  EXPECT_EQ(State(Answer(session_->Commit(nullptr))), "23503");
  EXPECT_EQ(database_->Query("SELECT count(*) FROM child")[0], "0");
}

TEST_P(SqliteSessionTest, TablesThatChangeAreNoticed) {
  Begin();
  Run("SELECT * FROM item");
  Commit();
  database_->Run("ALTER TABLE item ADD COLUMN more TEXT DEFAULT 'm'; INSERT INTO item (id, name) VALUES (1, 'x')");
  Begin();
  const SqlAnswer rows = Run("SELECT * FROM item");
  EXPECT_EQ(Types(rows), "id:int8,name:text,more:text");
  EXPECT_EQ(Show(rows), "1,x,m");
}

TEST_P(SqliteSessionTest, WritersTakeTurnsAndReadersDoNot) {
  const auto other = OpenSession();
  Begin();
  Insert(*session_, 1);
  other->Begin({.read_only = true}, absl::Now() + absl::Seconds(30), kBytes);
  EXPECT_EQ(Show(Run(*other, "SELECT count(*) FROM item")), "0");
  std::atomic<bool> written = false;
  std::thread writer([&] {
    const auto third = OpenSession();
    third->Begin({}, absl::Now() + absl::Seconds(30), kBytes);
    EXPECT_EQ(State(Insert(*third, 2)), "");
    EXPECT_EQ(State(Answer(third->Commit(nullptr))), "");
    written = true;
  });
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "1");
  EXPECT_FALSE(written);
  Commit();
  writer.join();
  EXPECT_EQ(Show(Run(*other, "SELECT count(*) FROM item")), "0") << "a snapshot";
  EXPECT_EQ(Count(), "2");
}

// Whoever wants to write waits for his time, not for SQLite's three seconds.
TEST_P(SqliteSessionTest, AWaitForTheTurnEndsWithTheTimeOrAnInterrupt) {
  const auto other = OpenSession();
  Begin();
  Insert(*session_, 1);
  const auto insert = ParseNamedSql("INSERT INTO item VALUES (2, 'x')", SqlSyntax::kSqlite);
  other->Begin({}, absl::Now() + absl::Milliseconds(50), kBytes);
  EXPECT_TRUE(absl::IsDeadlineExceeded(other->Run(*insert, {}).status()));
  other->Begin({}, absl::InfiniteFuture(), kBytes);
  std::atomic<bool> done = false;
  std::thread interrupter([&] {
    while (!done) other->Interrupt();
  });
  EXPECT_TRUE(absl::IsDeadlineExceeded(other->Run(*insert, {}).status()));
  done = true;
  interrupter.join();
  Commit();
  other->Begin({}, absl::InfiniteFuture(), kBytes);
  EXPECT_EQ(State(Insert(*other, 2)), "");
}

TEST_P(SqliteSessionTest, AFailedTransactionLetsOthersWrite) {
  const auto other = OpenSession();
  Begin();
  Insert(*session_, 1);
  EXPECT_EQ(State(Run("SELECT wrong")), "42703");
  other->Begin({}, absl::Now() + absl::Seconds(30), kBytes);
  EXPECT_EQ(State(Insert(*other, 1)), "");
  EXPECT_EQ(State(Answer(other->Commit(nullptr))), "");
  EXPECT_EQ(State(Answer(session_->Commit(nullptr))), "25P02");
  EXPECT_EQ(Count(), "1");
}

TEST_P(SqliteSessionTest, AnotherProcessThatKeepsTheLockIsNamed) {
  database_->Run("BEGIN IMMEDIATE");
  Begin({}, absl::Seconds(30));
  const absl::Time begun = absl::Now();
  const SqlAnswer answer = Insert(*session_, 1);
  EXPECT_EQ(State(answer), "55P03");
  EXPECT_THAT(std::get<SqlFailure>(answer).message, HasSubstr("lsof"));
  EXPECT_LT(absl::Now() - begun, absl::Seconds(10));
  const auto other = OpenSession();  // nobody's turn is taken
  other->Begin({.read_only = true}, absl::Now() + absl::Seconds(30), kBytes);
  EXPECT_EQ(Show(Run(*other, "SELECT count(*) FROM item")), "0");
  database_->Run("COMMIT");
  session_->RollBack();
  Begin();
  EXPECT_EQ(State(Insert(*session_, 1)), "");
}

TEST_P(SqliteSessionTest, OurOwnWriterStandsInTheSameLine) {
  const auto writer = opened_.connect(ConnectionRole::kWriter);
  const std::vector<Statement> batch = {Statement(kInsert, {std::int64_t{2}})};
  Begin();
  Insert(*session_, 1);
  const absl::Status refused = writer->RunBatch(batch).status();
  EXPECT_TRUE(absl::IsAborted(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("transactions of the application"));
  Commit();
  EXPECT_TRUE(writer->RunBatch(batch).ok());
}

TEST_P(SqliteSessionTest, MemoryHasSessionsToo) {
  const Database memory = *OpenDatabase("sqlite://", "dbos");
  const auto session = memory.open_session();
  ASSERT_TRUE(session->RunScript("CREATE TABLE IF NOT EXISTS session_memory (id INTEGER)").ok());
  session->Begin({}, absl::Now() + absl::Seconds(30), kBytes);
  Run(*session, "INSERT INTO session_memory VALUES (1)");
  EXPECT_EQ(State(Answer(session->Commit(nullptr))), "");
  const auto other = memory.open_session();
  other->Begin({}, absl::Now() + absl::Seconds(30), kBytes);
  EXPECT_EQ(Show(Run(*other, "SELECT id FROM session_memory")), "1");
  other->RollBack();
  EXPECT_TRUE(session->RunScript("DROP TABLE session_memory").ok());
}

// What it writes is in memory until the commit, which then cannot write it.
TEST_P(SqliteSessionTest, ADiskThatFailsTheCommitLeavesItInDoubtAndAStatementNot) {
  std::signal(SIGXFSZ, SIG_IGN);
  const auto insert = ParseNamedSql("INSERT INTO item (id, name) VALUES (1, 'x')", SqlSyntax::kSqlite);
  const auto large =
      ParseNamedSql("INSERT INTO item (id, name) VALUES (2, hex(zeroblob(40000000)))", SqlSyntax::kSqlite);
  Begin();
  ASSERT_TRUE(session_->Run(*insert, {}).ok());
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 1;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const absl::Status committed = session_->Commit(nullptr).status();
  Begin();
  const absl::Status run = session_->Run(*large, {}).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(absl::IsUnavailable(committed)) << committed;
  EXPECT_TRUE(absl::IsAborted(run)) << run;
  Begin();
  EXPECT_EQ(Show(Run("SELECT count(*) FROM item")), "0");
}

INSTANTIATE_TEST_SUITE_P(OnlySqlite, SqliteSessionTest, ::testing::Values(DatabaseKind::kSqlite), DatabaseKindName);

TEST(WriteTurnsTest, GoToTheOneThatHasWaitedLongest) {
  const auto turns = WriteTurns::Of("write_turns_test.sqlite");
  EXPECT_EQ(turns, WriteTurns::Of("./write_turns_test.sqlite"));
  ASSERT_TRUE(turns->Take(absl::Now()));
  EXPECT_FALSE(turns->Take(absl::Now() + absl::Milliseconds(1)));
  std::vector<int> order;
  std::vector<std::thread> threads;
  for (int n = 0; n < 5; ++n) {
    threads.emplace_back([&, n] {
      EXPECT_TRUE(turns->Take(absl::InfiniteFuture()));
      order.push_back(n);
      turns->Give();
    });
    while (turns->waiting() < static_cast<std::size_t>(n + 1)) std::this_thread::yield();
  }
  turns->Give();
  EXPECT_TRUE(turns->Take(absl::InfiniteFuture()));
  turns->Give();
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4));
}

}  // namespace
}  // namespace dbos::sidecar
