// Sessions of PostgreSQL that are lost, cancelled, or meet others.
#include <filesystem>
#include <functional>
#include <thread>

#include <poll.h>
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

class LostSessionTest : public PostgresSessionTest {
 protected:
  // Until it has reached this side.
  void AwaitEnd() {
    pollfd end = {.fd = session_->WaitsFor().socket, .events = POLLIN | POLLRDHUP, .revents = 0};
    do {
      ASSERT_EQ(poll(&end, 1, 10'000), 1);
    } while ((end.revents & (POLLHUP | POLLRDHUP)) == 0);
  }
};

// Its own limit, or an administrator.
TEST_P(LostSessionTest, AStatementThatTheServerEndsIsAFailureLikeOthers) {
  Begin();
  Run("SET LOCAL statement_timeout = 20");
  EXPECT_EQ(State(Run("SELECT pg_sleep(60)")), "57014");
  EXPECT_EQ(State(Run("SELECT 1")), "25P02");
}

TEST_P(LostSessionTest, ACancelNeverReachesTheNextTransaction) {
  const auto sleep = ParseNamedSql("SELECT pg_sleep(60)", SqlSyntax::kPostgres);
  std::string pid;
  for (int time = 0; time < 5; ++time) {
    Begin({}, absl::Milliseconds(100));
    EXPECT_TRUE(absl::IsDeadlineExceeded(session_->Run(*sleep, {}).status()));
    Begin();
    const std::string now = Show(Run("SELECT pg_backend_pid()"));
    EXPECT_NE(now, pid);
    pid = now;
    EXPECT_EQ(State(Run("SELECT pg_sleep(0.01)")), "");
    Commit();
  }
}

TEST_P(LostSessionTest, AServerThatIsSilentIsGivenUp) {
  Begin();
  Run("SELECT 1");  // connects
  Begin({}, absl::Seconds(1));
  Insert(1);
  proxy_->Stall();
  const auto more = ParseNamedSql("SELECT 1", SqlSyntax::kPostgres);
  const absl::Status status = session_->Run(*more, {}).status();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  proxy_->Resume();
  Begin();
  EXPECT_EQ(State(Insert(1)), "");
}

TEST_P(LostSessionTest, ASessionThatWasLostWhileIdleIsOpenedAgain) {
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
}

// Somebody would have to find out whether it happened.
TEST_P(LostSessionTest, ACommitThatWasNotSentIsNotInDoubt) {
  const auto insert = ParseNamedSql("INSERT INTO item VALUES (1, 'x')", SqlSyntax::kPostgres);
  const SqlValues none;
  Begin();
  Insert(2);
  EndSessions();
  AwaitEnd();
  EXPECT_TRUE(absl::IsAborted(session_->Commit(nullptr).status()));
  Begin();
  Run("SELECT 1");  // connects
  Commit();
  proxy_->SetAccepting(dbos::testing::Accepting::kNo);
  for (const bool connected : {true, false}) {
    if (connected) {
      EndSessions();
      AwaitEnd();
    }
    const Statement record(kNote, {std::int64_t{9}});
    Begin();
    EXPECT_TRUE(absl::IsAborted(session_->RunAndCommit(*insert, {}, &record).status()));
    Begin();
    session_->Defer(*insert, none);
    EXPECT_TRUE(absl::IsAborted(session_->Commit(nullptr).status()));
  }
  proxy_->SetAccepting(dbos::testing::Accepting::kYes);
  EXPECT_EQ(Count(), "0");
  Begin();
  session_->Defer(*insert, none);
  Commit();
  EXPECT_EQ(Count(), "1");
}

TEST_P(LostSessionTest, ABrokenConnectionIsNoticedWhereNobodySaidSo) {
  Begin();
  Insert(1);
  Commit();
  proxy_->Arm({.fault = Fault::kDropBefore, .at = CommitPoint::kAny});
  Begin();
  EXPECT_TRUE(absl::IsUnavailable(
      session_->RunAndCommit(*ParseNamedSql("DELETE FROM item", SqlSyntax::kPostgres), {}, nullptr).status()));
  EXPECT_EQ(Count(), "1");
}

TEST_P(LostSessionTest, ALostAnswerToCommitIsUnavailableAndNotRepeated) {
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

// Kept statements would be refused, again and again.
TEST_P(LostSessionTest, ATransactionThatChangesATableCanGoOnUsingIt) {
  for (const char* change : {"ALTER TABLE item ADD COLUMN more INT", "SET LOCAL search_path = other"}) {
    Begin();
    Run("CREATE SCHEMA IF NOT EXISTS other");
    Run("CREATE TABLE IF NOT EXISTS other.item (id INT)");
    Commit();
    Begin();
    EXPECT_EQ(State(Run("SELECT * FROM item")), "");
    EXPECT_EQ(State(Run(change)), "");
    EXPECT_EQ(State(Run("SELECT * FROM item")), "") << change;
    Commit();
    Begin();
    while (State(Run("SELECT * FROM item")) == "40001") Begin();
    Commit();
  }
}

TEST_P(LostSessionTest, ALongTextIsNotKeptByTheServer) {
  Begin();
  Run("SELECT 1 /*" + std::string(20'000, 'x') + "*/");
  Run("SELECT 2");
  EXPECT_EQ(Show(Run("SELECT count(*) FROM pg_prepared_statements WHERE length(statement) > 16000")), "0");
  EXPECT_EQ(Show(Run("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 2'")), "1");
}

TEST_P(LostSessionTest, AFailureSaysNoMoreThanFitsIntoAMessage) {
  Begin();
  const SqlAnswer answer = Run("DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 9000000); END $$");
  ASSERT_EQ(State(answer), "P0001");
  EXPECT_EQ(std::get<SqlFailure>(answer).message, std::string(8192, 'x'));
}

TEST_P(LostSessionTest, ConflictsSaySo) {
  const auto other = OpenSession();
  other->Begin({}, absl::Now() + absl::Seconds(30), kBytes);
  Begin();
  Run("SELECT count(*) FROM item");
  Run(*other, "SELECT count(*) FROM item");
  Insert(2);
  Run(*other, "INSERT INTO item VALUES (3, 'y')");
  Commit();
  const SqlAnswer late = Answer(other->Commit(nullptr));
  EXPECT_EQ(State(late), "40001");
  EXPECT_TRUE(IsConflict(std::get<SqlFailure>(late)));
  EXPECT_EQ(Count(), "1");
}

TEST_P(LostSessionTest, AFirstStatementThatLosesItsSessionIsSentAgain) {
  Begin();
  Insert(1);
  Commit();
  const auto other = OpenSession();
  other->Begin({}, absl::Now() + absl::Seconds(30), kBytes);
  EXPECT_EQ(State(Run(*other, "LOCK TABLE item")), "");
  std::thread waiting([&] {
    Begin();
    EXPECT_EQ(State(Insert(2)), "");
    Commit();
  });
  const std::string end_it =
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND "
      "wait_event_type = 'Lock'";
  while (database_->Query(end_it).empty()) std::this_thread::yield();
  EXPECT_EQ(State(Answer(other->Commit(nullptr))), "");
  waiting.join();
  EXPECT_EQ(Count(), "2");
}

INSTANTIATE_TEST_SUITE_P(Both, LostSessionTest, ::testing::Values(DatabaseKind::kPostgres, DatabaseKind::kPostgres18),
                         DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
