// Transactions of one statement that share a commit, over a database that says what the test wants.
#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/engine/transaction_group.h"
#include "sidecar/engine/transaction_pool.h"
#include "tests/sidecar/engine/transaction_pool_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class GroupsTest : public TransactionPoolTest {
 protected:
  using Answered = std::future<TransactionAnswer>;

  // A pool with so many connections, all open, that has learned of a statement "sql" that it may share a commit.
  std::unique_ptr<TransactionPool> OpenLearned(int size) {
    TransactionPool::Options options;
    options.size = size;
    return OpenLearned(options);
  }
  std::unique_ptr<TransactionPool> OpenLearned(const TransactionPool::Options& options) {
    auto pool = OpenUsed(options);
    script_.could_group = true;
    Ask(*pool, TransactionPool::Open(), Statement("first"));
    script_.halves = true;
    return pool;
  }
  std::unique_ptr<TransactionPool> OpenUsed(const TransactionPool::Options& options) {
    auto pool = Open(options);
    std::vector<Conversation> callers;
    for (int n = 0; n < options.size; ++n) Ask(*pool, callers.emplace_back(TransactionPool::Open()), Begins(false));
    for (const Conversation& caller : callers) Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}));
    return pool;
  }

  static TransactionRequest Statement(const std::string& workflow, const std::string& sql = "sql") {
    TransactionRequest request = Begins(true);
    request.begin->step->execution.workflow_id = workflow;
    request.command = ExecuteRequest{Sql(sql), 0};
    return request;
  }
  static Answered Post(TransactionPool& pool, const std::string& workflow, const std::string& sql = "sql") {
    return TransactionPoolTest::Post(pool, TransactionPool::Open(), Statement(workflow, sql));
  }
  // The value that a committed one is answered with.
  static std::string ValueOf(Answered& answer) {
    const TransactionAnswer given = answer.get();
    if (!Committed(given)) return "not committed: " + ErrorOf(given).message;
    return std::get<TransactionEnded>(given).outcome->payload.data;
  }
  bool Noted(const std::string& what) {
    const std::vector<std::string> log = script_.log();
    return std::find(log.begin(), log.end(), what) != log.end();
  }
};

TEST_F(GroupsTest, WhoComesWhileOneIsUnderWaySharesTheNextCommit) {
  const auto pool = OpenLearned(5);
  Answered a = Post(*pool, "a");
  Answered c = Post(*pool, "c");
  Answered b = Post(*pool, "b");
  EXPECT_EQ(pool->usage().waiting, 2);
  EXPECT_THAT(script_.log(), Not(Contains(HasSubstr("group"))));
  script_.Arrive();
  EXPECT_EQ(ValueOf(a), "rows");
  script_.AwaitNote("send group b c");  // in the order of their workflows
  EXPECT_FALSE(Noted("run group b c"));
  EXPECT_EQ(pool->usage().in_use, 1);
  script_.Arrive();
  EXPECT_EQ(ValueOf(c), "rows of sql");
  EXPECT_EQ(ValueOf(b), "rows of sql");
  EXPECT_EQ(pool->groups().committed, 1);
  EXPECT_EQ(pool->groups().transactions, 2);
  EXPECT_EQ(pool->usage().in_use, 0);
  EXPECT_EQ(pool->usage().waiting, 0);
}

TEST_F(GroupsTest, WhatCannotShareACommitGoesAlone) {
  const auto pool = OpenLearned(9);
  std::vector<Answered> answers;
  answers.push_back(Post(*pool, "ahead"));
  answers.push_back(Post(*pool, "unknown", "another"));
  TransactionRequest request = Statement("read_only");
  request.begin->mode.read_only = true;
  answers.push_back(TransactionPoolTest::Post(*pool, TransactionPool::Open(), std::move(request)));
  request = Statement("hurried");
  request.begin->timeout = absl::Seconds(1);
  answers.push_back(TransactionPoolTest::Post(*pool, TransactionPool::Open(), std::move(request)));
  request = Statement("no step");
  request.begin->step.reset();
  answers.push_back(TransactionPoolTest::Post(*pool, TransactionPool::Open(), std::move(request)));
  request = Statement("interactive");
  request.command = Sql("sql");
  answers.push_back(TransactionPoolTest::Post(*pool, TransactionPool::Open(), std::move(request)));
  EXPECT_EQ(pool->usage().in_use, 6);
  EXPECT_EQ(pool->usage().waiting, 0);
}

TEST_F(GroupsTest, AStatementThatCouldNotShareIsNotLearned) {
  TransactionPool::Options options;
  options.size = 5;
  const auto pool = OpenUsed(options);
  Ask(*pool, TransactionPool::Open(), Statement("first"));
  script_.could_group = true;
  CommitVerdict failed;
  failed.kind = CommitVerdict::Kind::kFailed;
  script_.commits.emplace_back(failed);
  Ask(*pool, TransactionPool::Open(), Statement("second"));
  script_.halves = true;
  std::vector<Answered> answers;
  for (const char* workflow : {"a", "b", "c"}) answers.push_back(Post(*pool, workflow));
  EXPECT_EQ(pool->usage().in_use, 3);
}

TEST_F(GroupsTest, WhatRanForLongAloneGoesAlone) {
  TransactionPool::Options options;
  options.size = 4;
  const auto pool = OpenUsed(options);
  script_.could_group = true;
  script_.halves = true;
  Answered slow = Post(*pool, "slow");
  std::this_thread::sleep_for(std::chrono::milliseconds(40));  // paces the database
  script_.Arrive();
  EXPECT_EQ(ValueOf(slow), "rows");
  std::vector<Answered> answers;
  for (const char* workflow : {"a", "b", "c"}) answers.push_back(Post(*pool, workflow));
  EXPECT_EQ(pool->usage().in_use, 3);
}

TEST_F(GroupsTest, AfterAGroupThatTookLongEachGoesAloneForAWhile) {
  const auto pool = OpenLearned(4);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  script_.Arrive();
  script_.AwaitNote("send group b c");
  EXPECT_EQ(ValueOf(a), "rows");
  std::this_thread::sleep_for(std::chrono::milliseconds(70));  // paces the database
  script_.Arrive();
  EXPECT_EQ(ValueOf(b), "rows of sql");
  EXPECT_EQ(ValueOf(c), "rows of sql");
  std::vector<Answered> later;
  for (const char* workflow : {"d", "e", "f"}) later.push_back(Post(*pool, workflow));
  EXPECT_EQ(pool->usage().in_use, 3);
}

TEST_F(GroupsTest, WhatHasBecomeUnfitIsForgotten) {
  const auto pool = OpenLearned(4);
  script_.halves = false;
  script_.could_group = false;
  Ask(*pool, TransactionPool::Open(), Statement("unfit"));
  script_.halves = true;
  std::vector<Answered> answers;
  for (const char* workflow : {"a", "b", "c"}) answers.push_back(Post(*pool, workflow));
  EXPECT_EQ(pool->usage().in_use, 3);
}

TEST_F(GroupsTest, ALargeStatementGoesAlone) {
  const auto pool = OpenLearned(4);
  std::vector<Answered> answers;
  answers.push_back(Post(*pool, "ahead"));
  TransactionRequest request = Statement("large");
  std::get<ExecuteRequest>(request.command)
      .command.parameters.push_back({"x", {SqlValue::Type::kText, std::string(kGroupMemberBytesMax, 'x'), {}}});
  answers.push_back(TransactionPoolTest::Post(*pool, TransactionPool::Open(), std::move(request)));
  EXPECT_EQ(pool->usage().in_use, 2);
}

TEST_F(GroupsTest, OneAloneNeedsNoGroup) {
  const auto pool = OpenLearned(5);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  script_.Arrive();
  EXPECT_EQ(ValueOf(a), "rows");
  script_.Arrive();
  EXPECT_EQ(ValueOf(b), "rows");
  EXPECT_THAT(script_.log(), Not(Contains(HasSubstr("group"))));
}

TEST_F(GroupsTest, ThoseOfAnotherModeTakeTheNextCommit) {
  const auto pool = OpenLearned(1);
  Answered a = Post(*pool, "a");
  std::vector<Answered> answers;
  for (const char* workflow : {"b", "c"}) answers.push_back(Post(*pool, workflow));
  for (const char* workflow : {"d", "e"}) {
    TransactionRequest request = Statement(workflow);
    request.begin->mode.isolation = Isolation::kReadCommitted;
    answers.push_back(TransactionPoolTest::Post(*pool, TransactionPool::Open(), std::move(request)));
  }
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.Arrive();
  script_.AwaitNote("send group d e");
  script_.Arrive();
  for (Answered& answer : answers) EXPECT_EQ(ValueOf(answer), "rows of sql");
}

TEST_F(GroupsTest, AGroupHasALimit) {
  TransactionPool::Options options;
  options.size = 1;
  options.group_max = 2;
  const auto pool = OpenLearned(options);
  std::vector<Answered> answers;
  for (const char* workflow : {"a", "b", "c", "d"}) answers.push_back(Post(*pool, workflow));
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.Arrive();
  EXPECT_EQ(ValueOf(answers[2]), "rows of sql");
  script_.Arrive();
  EXPECT_EQ(ValueOf(answers[3]), "rows");
}

TEST_F(GroupsTest, WithoutGroupsEachTakesAConnection) {
  TransactionPool::Options options;
  options.group_max = 1;
  const auto pool = OpenLearned(options);
  std::vector<Answered> answers;
  for (const char* workflow : {"a", "b", "c"}) answers.push_back(Post(*pool, workflow));
  EXPECT_EQ(pool->usage().in_use, 3);
}

// ---------------------------------------------------------------- what goes wrong
TEST_F(GroupsTest, WhereOneFailsEachGoesAloneAndTheStatementForAWhile) {
  const auto pool = OpenLearned(5);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  script_.groups.emplace_back(GroupVerdict{{}, 1});
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.halves = false;  // from here on workers do it
  script_.Arrive();
  EXPECT_EQ(ValueOf(a), "rows");
  EXPECT_EQ(ValueOf(b), "rows");
  EXPECT_EQ(ValueOf(c), "rows");
  EXPECT_EQ(pool->groups().failed, 1);
  EXPECT_EQ(pool->groups().transactions, 0);
  EXPECT_THAT(script_.log(), Contains("execute and record sql").Times(4));
  EXPECT_THAT(script_.log(), Not(Contains("look up")));  // nothing of it can have been committed
  script_.halves = true;
  std::vector<Answered> later;
  for (const char* workflow : {"d", "e", "f"}) later.push_back(Post(*pool, workflow));
  EXPECT_EQ(pool->usage().in_use, 3);
}

TEST_F(GroupsTest, OnlyTheStatementThatFailedGoesAloneForAWhile) {
  const auto pool = OpenLearned(9);
  script_.halves = false;
  Ask(*pool, TransactionPool::Open(), Statement("first", "other"));
  script_.halves = true;
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b", "other");
  Answered c = Post(*pool, "c");
  script_.groups.emplace_back(GroupVerdict{{}, 0});
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.halves = false;
  script_.Arrive();
  ValueOf(a);
  ValueOf(b);
  ValueOf(c);
  script_.halves = true;
  std::vector<Answered> later;
  for (const char* workflow : {"d", "e", "f"}) later.push_back(Post(*pool, workflow));
  EXPECT_EQ(pool->usage().waiting, 2);  // they can still share
  later.push_back(Post(*pool, "g", "other"));
  later.push_back(Post(*pool, "h", "other"));
  EXPECT_EQ(pool->usage().in_use, 3);
}

TEST_F(GroupsTest, AfterALostAnswerEachIsLookedUpBeforeItRunsAgain) {
  const auto pool = OpenLearned(1);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  script_.groups.emplace_back(absl::UnavailableError("lost"));
  CommitVerdict before;
  before.kind = CommitVerdict::Kind::kRecordedBefore;
  before.recorded.outcome = Outcome{Outcome::Kind::kValue, {"rows of the commit"}};
  script_.recorded.emplace_back(before);
  script_.recorded.emplace_back(std::optional<CommitVerdict>());
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.halves = false;
  script_.Arrive();
  EXPECT_EQ(ValueOf(a), "rows");
  const TransactionAnswer found = b.get();
  ASSERT_TRUE(std::holds_alternative<TransactionEnded>(found)) << ErrorOf(found).message;
  EXPECT_EQ(std::get<TransactionEnded>(found).how, TransactionEnded::How::kRecordedBefore);
  EXPECT_EQ(std::get<TransactionEnded>(found).outcome->payload.data, "rows of the commit");
  EXPECT_EQ(ValueOf(c), "rows");
  EXPECT_THAT(script_.log(), Contains("look up").Times(2));
  EXPECT_THAT(script_.log(), Contains("execute and record sql").Times(3));  // of first, a and c
}

TEST_F(GroupsTest, WhileTheDatabaseIsAwayWhatIsInDoubtIsAskedAboutAgain) {
  const auto pool = OpenLearned(1);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  script_.groups.emplace_back(absl::UnavailableError("lost"));
  for (int n = 0; n < 3; ++n) script_.recorded.emplace_back(absl::UnavailableError("it starts"));
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.halves = false;
  script_.Arrive();
  EXPECT_EQ(ValueOf(a), "rows");
  EXPECT_EQ(ValueOf(b), "rows");
  EXPECT_EQ(ValueOf(c), "rows");
  EXPECT_THAT(script_.log(), Contains("look up").Times(5));
}

TEST_F(GroupsTest, NobodyIsToldThatNothingWasDoneWhileItIsInDoubt) {
  TransactionPool::Options options;
  options.size = 1;
  options.timeout = absl::Milliseconds(100);
  const auto pool = OpenLearned(options);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  script_.groups.emplace_back(absl::UnavailableError("lost"));
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.halves = false;
  std::promise<void> go_on;
  Answered other = TransactionPoolTest::Post(*pool, TransactionPool::Open(), [] {
    TransactionRequest request = Begins(false);
    request.command = Sql("keeps the connection");
    return request;
  }());
  script_.in_run = [&, future = std::make_shared<std::shared_future<void>>(go_on.get_future())] {
    const std::vector<std::string> log = script_.log();
    if (log.back() == "run keeps the connection") future->wait();
  };
  script_.Arrive();
  EXPECT_EQ(ErrorOf(b.get()).reason, Reason::kDatabaseUnavailable);
  EXPECT_EQ(ErrorOf(c.get()).reason, Reason::kDatabaseUnavailable);
  go_on.set_value();
  other.get();
}

// A connection that is too old is replaced between transactions, not while its answer is awaited.
TEST_F(GroupsTest, TheAnswerOfAGroupIsTakenThoughItsConnectionIsTooOldByNow) {
  TransactionPool::Options options;
  options.size = 1;
  options.recycle = absl::Milliseconds(200);
  const auto pool = OpenLearned(options);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  script_.Arrive();
  script_.AwaitNote("send group b c");
  EXPECT_EQ(ValueOf(a), "rows");
  std::this_thread::sleep_for(std::chrono::milliseconds(250));  // paces the database
  script_.arrival = SqlArrival::kMayBlock;
  script_.Arrive();
  EXPECT_EQ(ValueOf(b), "rows of sql");
  EXPECT_EQ(ValueOf(c), "rows of sql");
  EXPECT_THAT(script_.log(), Contains("run group b c").Times(1));
}

TEST_F(GroupsTest, WhoHasGoneMeanwhileHasNoPart) {
  const auto pool = OpenLearned(1);
  Answered a = Post(*pool, "a");
  std::vector<Conversation> gone = {TransactionPool::Open(), TransactionPool::Open()};
  pool->Post(gone[0], Statement("gone"), [](const TransactionAnswer&) { ADD_FAILURE() << "nobody waits for it"; });
  Answered b = Post(*pool, "b");
  pool->Post(gone[1], Statement("gone"), [](const TransactionAnswer&) { ADD_FAILURE() << "nobody waits for it"; });
  Answered c = Post(*pool, "c");
  for (const Conversation& one : gone) pool->Close(one);
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.Arrive();
  EXPECT_EQ(ValueOf(a), "rows");
  EXPECT_EQ(ValueOf(b), "rows of sql");
  EXPECT_EQ(ValueOf(c), "rows of sql");
}

TEST_F(GroupsTest, WhatTakesLongHoldsUpNobodyElse) {
  const auto pool = OpenLearned(3);
  Answered slow = Post(*pool, "slow");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  script_.AwaitNote("send group b c");  // though nothing has come
  Answered d = Post(*pool, "d");
  Answered e = Post(*pool, "e");
  script_.AwaitNote("send group d e");
  EXPECT_EQ(pool->usage().in_use, 3);
}

TEST_F(GroupsTest, ThoseWhoWaitForAConnectionHaveTheirTurnByTheirTime) {
  const auto pool = OpenLearned(1);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered other = Post(*pool, "other", "another");
  Answered c = Post(*pool, "c");
  script_.Arrive();
  script_.AwaitNote("send group b c");
  script_.Arrive();
  script_.AwaitNote("send execute another");
  script_.Arrive();
  EXPECT_EQ(ValueOf(other), "rows");
}

TEST_F(GroupsTest, AGroupThatFindsNoDatabaseIsToldSo) {
  TransactionPool::Options options;
  options.size = 1;
  options.recycle = absl::ZeroDuration();  // each opens a connection of its own
  const auto pool = Open(options);
  script_.could_group = true;
  Ask(*pool, TransactionPool::Open(), Statement("first"));
  std::promise<void> go_on;
  in_open_ = [&, n = 0]() mutable {
    if (n++ == 0) go_on.get_future().wait();
  };
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  opening_ = absl::UnavailableError("away");
  go_on.set_value();
  for (Answered* answer : {&a, &b, &c}) EXPECT_EQ(ErrorOf(answer->get()).reason, Reason::kDatabaseUnavailable);
}

TEST_F(GroupsTest, TheEndOfThePoolEndsAGroupToo) {
  auto pool = OpenLearned(1);
  Answered a = Post(*pool, "a");
  Answered b = Post(*pool, "b");
  Answered c = Post(*pool, "c");
  script_.Arrive();
  script_.AwaitNote("send group b c");
  EXPECT_EQ(ValueOf(a), "rows");
  script_.groups.emplace_back(absl::DeadlineExceededError("it was interrupted"));
  pool.reset();
  EXPECT_THAT(script_.log(), Contains("interrupt"));
  EXPECT_EQ(script_.log().back(), "roll back");
  EXPECT_EQ(ErrorOf(b.get()).reason, Reason::kPoolExhausted);
  EXPECT_EQ(ErrorOf(c.get()).reason, Reason::kPoolExhausted);
}

}  // namespace
}  // namespace dbos::sidecar
