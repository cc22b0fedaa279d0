// Groups of which one fails, is slow or has gone, and groups whose answer is lost.
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/engine/transaction_pool.h"
#include "tests/sidecar/engine/groups_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::Contains;
using ::testing::Not;

TEST_F(GroupsTest, WhereOneFailsEachGoesAloneAndTheStatementForAWhile) {
  const auto pool = OpenLearned(5);
  script_.groups.emplace_back(GroupVerdict{{}, 1});
  auto [a, b, c] = SendThree(*pool);
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
  script_.groups.emplace_back(absl::UnavailableError("lost"));
  CommitVerdict before;
  before.kind = CommitVerdict::Kind::kRecordedBefore;
  before.recorded.outcome = Outcome{Outcome::Kind::kValue, {"rows of the commit"}};
  script_.recorded.emplace_back(before);
  script_.recorded.emplace_back(std::optional<CommitVerdict>());
  auto [a, b, c] = SendThree(*pool);
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
  script_.groups.emplace_back(absl::UnavailableError("lost"));
  for (int n = 0; n < 3; ++n) script_.recorded.emplace_back(absl::UnavailableError("it starts"));
  auto [a, b, c] = SendThree(*pool);
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
  script_.groups.emplace_back(absl::UnavailableError("lost"));
  auto [a, b, c] = SendThree(*pool);
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
  auto [a, b, c] = SendThree(*pool);
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
  auto [a, b, c] = PostThree(*pool);
  opening_ = absl::UnavailableError("away");
  go_on.set_value();
  for (Answered* answer : {&a, &b, &c}) EXPECT_EQ(ErrorOf(answer->get()).reason, Reason::kDatabaseUnavailable);
}

TEST_F(GroupsTest, TheEndOfThePoolEndsAGroupToo) {
  auto pool = OpenLearned(1);
  auto [a, b, c] = SendThree(*pool);
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
