#include "tests/testing/proxy/sql_text.h"

#include "gtest/gtest.h"

#include "tests/testing/proxy/statements.h"

namespace dbos::testing {
namespace {

TEST(SqlTextTest, FindsTheVerbOfEachStatement) {
  EXPECT_EQ(Verbs("begin; INSERT INTO t VALUES (1); Commit"), (std::vector{Verb::kBegin, Verb::kOther, Verb::kCommit}));
  EXPECT_EQ(Verbs("START TRANSACTION ISOLATION LEVEL SERIALIZABLE"), std::vector{Verb::kBegin});
  EXPECT_EQ(Verbs("END"), std::vector{Verb::kCommit});
  EXPECT_EQ(Verbs(" ;; "), std::vector<Verb>{});
}

TEST(SqlTextTest, ACommitInsideALiteralOrACommentIsNone) {
  EXPECT_EQ(Verbs("SELECT '; COMMIT', \"; COMMIT\", $$; COMMIT$$, $a$ ; $$ ; COMMIT $a$"), std::vector{Verb::kOther});
  EXPECT_EQ(Verbs("-- COMMIT;\nSELECT $1; /* COMMIT; */ COMMIT"), (std::vector{Verb::kOther, Verb::kCommit}));
}

TEST(SqlTextTest, SavepointsAndPreparedTransactionsDoNotEndTheTransaction) {
  EXPECT_EQ(Verbs("ROLLBACK TO SAVEPOINT a"), std::vector{Verb::kOther});
  EXPECT_EQ(Verbs("COMMIT PREPARED 'x'"), std::vector{Verb::kOther});
  EXPECT_EQ(Verbs("ROLLBACK"), std::vector{Verb::kRollback});
}

ClientAction Send(StatementTracker& tracker, char type, std::string_view body) {
  return tracker.OnClient({.type = type, .body = body, .whole = body});
}

TEST(StatementTrackerTest, FollowsPreparedNamesToTheCommit) {
  using namespace std::string_view_literals;  // NOLINT(google-build-using-namespace): literals with zero bytes
  StatementTracker tracker;
  Send(tracker, 'P', "c\0COMMIT\0\0\0"sv);
  Send(tracker, 'P', "i\0INSERT INTO t VALUES (1)\0\0\0"sv);
  Send(tracker, 'Q', "BEGIN\0"sv);
  Send(tracker, 'B', "\0i\0"sv);
  EXPECT_FALSE(Send(tracker, 'E', "\0\0\0\0\0"sv).carries_commit);
  EXPECT_FALSE(Send(tracker, 'S', ""sv).ends_implicit) << "inside a block a Sync commits nothing";
  Send(tracker, 'B', "\0c\0"sv);
  EXPECT_TRUE(Send(tracker, 'E', "\0\0\0\0\0"sv).carries_commit);
  EXPECT_TRUE(tracker.TransactionMentions("INSERT INTO t"));
  EXPECT_FALSE(Send(tracker, 'S', ""sv).ends_implicit);
  EXPECT_FALSE(tracker.TransactionMentions("INSERT INTO t")) << "that transaction is over";
}

TEST(StatementTrackerTest, ASyncEndsAnImplicitTransactionOnlyAfterSomethingRan) {
  using namespace std::string_view_literals;  // NOLINT(google-build-using-namespace): literals with zero bytes
  StatementTracker tracker;
  EXPECT_FALSE(Send(tracker, 'S', ""sv).ends_implicit);
  Send(tracker, 'P', "\0INSERT INTO t VALUES (1)\0\0\0"sv);
  Send(tracker, 'B', "\0\0"sv);
  Send(tracker, 'E', "\0\0\0\0\0"sv);
  EXPECT_TRUE(Send(tracker, 'S', ""sv).ends_implicit);
  EXPECT_FALSE(Send(tracker, 'Q', "ROLLBACK\0"sv).ends_implicit);
}

}  // namespace
}  // namespace dbos::testing
