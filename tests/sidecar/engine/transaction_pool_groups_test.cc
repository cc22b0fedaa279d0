// Transactions of one statement that share a commit, over a database that says what the test wants.
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
#include "tests/sidecar/engine/groups_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

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
  EXPECT_THAT(script_.log(), Not(Contains("run group b c")));
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
  std::this_thread::sleep_for(std::chrono::milliseconds(150));  // paces the database
  script_.Arrive();
  EXPECT_EQ(ValueOf(slow), "rows");
  std::vector<Answered> answers;
  for (const char* workflow : {"a", "b", "c"}) answers.push_back(Post(*pool, workflow));
  EXPECT_EQ(pool->usage().in_use, 3);
}

TEST_F(GroupsTest, AfterAGroupThatTookLongEachGoesAloneForAWhile) {
  const auto pool = OpenLearned(4);
  auto [a, b, c] = SendThree(*pool);
  EXPECT_EQ(ValueOf(a), "rows");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // paces the database
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

}  // namespace
}  // namespace dbos::sidecar
