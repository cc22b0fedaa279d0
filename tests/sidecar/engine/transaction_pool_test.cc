// The pool of transactions with real threads, over a database that says what the test wants.
#include "sidecar/engine/transaction_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sidecar/engine/transaction_pool_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(TransactionPoolTest, OneCallersTransactionsFollowEachOther) {
  const auto pool = Open(2, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  for (int n = 0; n < 100; ++n) {
    Ask(*pool, caller, Begins(true));
    ASSERT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
  }
  EXPECT_EQ(pool->usage().waiting, 0);
}

TEST_F(TransactionPoolTest, ASpentSessionServesNoOtherTransaction) {
  std::atomic<int> opened = 0;
  in_open_ = [&] { ++opened; };
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  const Conversation waiting = TransactionPool::Open();
  Ask(*pool, caller, Begins(true));
  auto begun = Post(*pool, waiting, Begins(true));
  script_.spent = true;
  ASSERT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
  script_.spent = false;
  ASSERT_TRUE(std::holds_alternative<TransactionDone>(begun.get()));
  EXPECT_EQ(opened, 2) << "the one that waits has a fresh one";
  ASSERT_TRUE(Committed(Ask(*pool, waiting, Asks(CommitRequest{{"1"}, 0}))));
  Ask(*pool, caller, Begins(true));
  EXPECT_EQ(opened, 2) << "what is not spent is used again";
  script_.spent = true;
  Ask(*pool, caller, Asks(RollBackRequest{}));
  script_.spent = false;
  Ask(*pool, caller, Begins(true));
  EXPECT_EQ(opened, 3) << "a rollback does not give locks back";
}

TEST_F(TransactionPoolTest, WhoFindsNoConnectionWaitsHisTurn) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation first = TransactionPool::Open();
  Ask(*pool, first, Begins(false));
  std::vector<Conversation> others;
  std::vector<std::future<TransactionAnswer>> answers;
  for (const char* sql : {"a", "b", "c"}) {
    others.push_back(TransactionPool::Open());
    TransactionRequest request = Begins(false);
    request.command = ExecuteRequest{Sql(sql), 0};
    answers.push_back(Post(*pool, others.back(), std::move(request)));
  }
  EXPECT_EQ(pool->usage().waiting, 3);
  EXPECT_EQ(pool->usage().in_use, 1);
  Ask(*pool, first, Asks(CommitRequest{{"1"}, 0}));
  for (auto& answer : answers) EXPECT_TRUE(Committed(answer.get()));
  std::vector<std::string> executed;
  for (const std::string& note : script_.log()) {
    if (note.rfind("execute", 0) == 0) executed.push_back(note);
  }
  EXPECT_EQ(executed, (std::vector<std::string>{"execute a", "execute b", "execute c"}));
}

TEST_F(TransactionPoolTest, WhoWaitsForTooLongIsToldWhoHoldsTheConnections) {
  const auto pool = Open(1, absl::Milliseconds(50));
  const Conversation first = TransactionPool::Open();
  Ask(*pool, first, Begins(true));
  const Conversation second = TransactionPool::Open();
  const Error error = ErrorOf(Ask(*pool, second, Begins(true)));
  EXPECT_EQ(error.reason, Reason::kPoolExhausted);
  EXPECT_THAT(error.message, HasSubstr("QueuePool limit of size 1 overflow 0 reached"));
  EXPECT_THAT(error.message, HasSubstr("in use by pay of w for "));
  EXPECT_EQ(pool->usage().timeouts, 1U);
  EXPECT_TRUE(Committed(Ask(*pool, first, Asks(CommitRequest{{"1"}, 0}))));  // the first goes on
}

TEST_F(TransactionPoolTest, AnIdleTransactionIsRolledBackAndItsCommitIsToldSo) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  TransactionRequest begin = Begins(true);
  begin.begin->idle_timeout = absl::Milliseconds(20);
  Ask(*pool, caller, std::move(begin));
  script_.AwaitNote("roll back");
  const Conversation other = TransactionPool::Open();  // its connection is free
  Ask(*pool, other, Begins(false));
  EXPECT_TRUE(Committed(Ask(*pool, other, Asks(CommitRequest{{"1"}, 0}))));
  const Error error = ErrorOf(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0})));
  EXPECT_EQ(error.reason, Reason::kTransactionTimeout);
  EXPECT_THAT(error.message, HasSubstr("idle"));
  EXPECT_EQ(ErrorOf(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))).reason, Reason::kInvalidRequest);
  Ask(*pool, caller, Begins(true));
  EXPECT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
}

TEST_F(TransactionPoolTest, WhatBeganAfterAnIdleOneIsNotTouchedByItsRollback) {
  const auto pool = Open(2, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  std::promise<void> go_on;
  script_.in_roll_back = [this, &go_on] {
    script_.Note("rolling back");
    go_on.get_future().wait();
  };
  TransactionRequest begin = Begins(true);
  begin.begin->idle_timeout = absl::Milliseconds(20);
  Ask(*pool, caller, std::move(begin));
  script_.AwaitNote("rolling back");
  Ask(*pool, caller, Begins(true));  // on the other connection
  go_on.set_value();
  script_.AwaitNote("roll back");
  while (pool->usage().in_use != 1) std::this_thread::yield();
  EXPECT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
}

TEST_F(TransactionPoolTest, WhatAGoneCallerLeftForAWorkerIsNotRun) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  std::promise<void> opened;
  in_open_ = [&] { opened.get_future().wait(); };
  TransactionRequest request = Begins(false);
  request.command = ExecuteRequest{Sql("gone"), 0};
  pool->Post(caller, std::move(request), [](const TransactionAnswer&) {});
  pool->Close(caller);  // while its connection is being opened
  opened.set_value();
  const Conversation other = TransactionPool::Open();
  Ask(*pool, other, Begins(false));
  EXPECT_THAT(script_.log(), Not(Contains("execute gone")));
}

TEST_F(TransactionPoolTest, ATransactionThatTakesTooLongIsRolledBackThoughItIsNotIdle) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  TransactionRequest begin = Begins(true);
  begin.begin->timeout = absl::Milliseconds(20);
  Ask(*pool, caller, std::move(begin));
  script_.AwaitNote("roll back");
  const Error error = ErrorOf(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0})));
  EXPECT_EQ(error.reason, Reason::kTransactionTimeout);
  EXPECT_THAT(error.message, HasSubstr("time limit"));
}

TEST_F(TransactionPoolTest, WhenTheCallerGoesItsStatementIsEndedAndItsTransactionRolledBack) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  Ask(*pool, caller, Begins(true));
  script_.in_run = [this] { script_.AwaitNote("interrupt"); };
  pool->Post(caller, Asks(Sql("slow")), [](const TransactionAnswer&) {});
  script_.AwaitNote("run slow");
  pool->Close(caller);
  script_.AwaitNote("roll back");
  const Conversation other = TransactionPool::Open();
  Ask(*pool, other, Begins(false));
  EXPECT_TRUE(Committed(Ask(*pool, other, Asks(CommitRequest{{"1"}, 0}))));
  EXPECT_THAT(script_.log(), Contains("commit"));
}

TEST_F(TransactionPoolTest, AWaitingCallerThatGoesTakesNoConnection) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation first = TransactionPool::Open();
  Ask(*pool, first, Begins(false));
  const Conversation second = TransactionPool::Open();
  TransactionRequest request = Begins(false);
  request.command = ExecuteRequest{Sql("gone"), 0};
  pool->Post(second, std::move(request), [](const TransactionAnswer&) {});
  pool->Close(second);
  Ask(*pool, first, Asks(CommitRequest{{"1"}, 0}));
  const Conversation third = TransactionPool::Open();
  request = Begins(false);
  request.command = ExecuteRequest{Sql("here"), 0};
  EXPECT_TRUE(Committed(Ask(*pool, third, std::move(request))));
  EXPECT_THAT(script_.log(), Not(Contains("execute gone")));
}

TEST_F(TransactionPoolTest, ADatabaseThatIsAwayIsTheAnswerAndTheNextIsTriedAfresh) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  opening_ = absl::UnavailableError("away");
  EXPECT_EQ(ErrorOf(Ask(*pool, caller, Begins(true))).reason, Reason::kDatabaseUnavailable);
  opening_ = absl::FailedPreconditionError("a grant is missing");
  EXPECT_EQ(ErrorOf(Ask(*pool, caller, Begins(true))).reason, Reason::kDatabaseUnavailable)
      << "no workflow fails of it";
  opening_ = absl::OkStatus();
  Ask(*pool, caller, Begins(true));
  EXPECT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
}

TEST_F(TransactionPoolTest, TheEndOfThePoolRollsBackWhatIsOpen) {
  auto pool = Open(2, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  Ask(*pool, caller, Begins(true));
  pool.reset();
  EXPECT_THAT(script_.log(), Contains("roll back"));
}

// ---------------------------------------------------------------- sent by the caller's thread, answered by the poller
class PollerTest : public TransactionPoolTest {
 protected:
  // A pool whose only connection is open.
  std::unique_ptr<TransactionPool> OpenUsed(absl::Duration timeout = absl::Seconds(30)) {
    TransactionPool::Options options;
    options.size = 1;
    options.timeout = timeout;
    auto pool = TransactionPoolTest::OpenUsed(options);
    script_.halves = true;
    return pool;
  }
  TransactionRequest BeginsWith(const std::string& sql) {
    TransactionRequest request = Begins(true);
    request.command = Sql(sql);
    return request;
  }
  static void AwaitEqual(const std::atomic<int>& value, int expected) {
    for (int n = 0; n < 1000 && value != expected; ++n) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // paces the look at the value
    }
    EXPECT_EQ(value, expected);
  }
  static bool IsThere(const std::future<TransactionAnswer>& answer) {
    return answer.wait_for(std::chrono::milliseconds(20)) == std::future_status::ready;
  }
};

TEST_F(PollerTest, ARequestIsSentByWhoBringsItAndAnsweredWhenAllHasCome) {
  const auto pool = OpenUsed();
  const Conversation caller = TransactionPool::Open();
  std::future<TransactionAnswer> rows = Post(*pool, caller, BeginsWith("a"));
  EXPECT_THAT(script_.log(), Contains("send run a"));  // by this thread: it is there without waiting
  EXPECT_FALSE(IsThere(rows));
  EXPECT_THAT(script_.log(), Not(Contains("run a")));
  script_.Arrive();
  EXPECT_TRUE(std::holds_alternative<SqlRows>(rows.get()));
  std::future<TransactionAnswer> end = Post(*pool, caller, Asks(CommitRequest{{"1"}, 0}));
  EXPECT_THAT(script_.log(), Contains("send commit with 1"));
  EXPECT_FALSE(IsThere(end));
  script_.Arrive();
  EXPECT_TRUE(Committed(end.get()));
  EXPECT_EQ(pool->usage().in_use, 0);
}

TEST_F(PollerTest, ItGoesOnWaitingWhileSomethingIsMissing) {
  const auto pool = OpenUsed();
  script_.arrival = SqlArrival::kNotYet;
  std::future<TransactionAnswer> rows = Post(*pool, TransactionPool::Open(), BeginsWith("a"));
  for (int n = 0; n < 3; ++n) {
    script_.Arrive();
    EXPECT_FALSE(IsThere(rows));
  }
  script_.arrival = SqlArrival::kAll;
  script_.Arrive();
  EXPECT_TRUE(std::holds_alternative<SqlRows>(rows.get()));
}

TEST_F(PollerTest, WhatMayBlockIsLeftToAWorkerAndThePollerServesOthers) {
  const auto pool = OpenUsed(absl::Milliseconds(50));
  script_.arrival = SqlArrival::kMayBlock;
  std::promise<void> go_on;
  script_.in_run = [&] { go_on.get_future().wait(); };
  std::future<TransactionAnswer> rows = Post(*pool, TransactionPool::Open(), BeginsWith("a"));
  script_.Arrive();
  script_.AwaitNote("run a");
  EXPECT_EQ(ErrorOf(Ask(*pool, TransactionPool::Open(), BeginsWith("b"))).reason, Reason::kPoolExhausted);
  go_on.set_value();
  EXPECT_TRUE(std::holds_alternative<SqlRows>(rows.get()));
}

TEST_F(PollerTest, TheNextInTheQueueIsSentWhenAConnectionIsFree) {
  const auto pool = OpenUsed();
  TransactionRequest first = Begins(true);
  first.command = ExecuteRequest{Sql("a"), 0};
  TransactionRequest second = Begins(true);
  second.command = ExecuteRequest{Sql("b"), 0};
  std::future<TransactionAnswer> a = Post(*pool, TransactionPool::Open(), std::move(first));
  std::future<TransactionAnswer> b = Post(*pool, TransactionPool::Open(), std::move(second));
  EXPECT_THAT(script_.log(), Not(Contains("send execute b")));
  script_.Arrive();
  EXPECT_TRUE(Committed(a.get()));
  script_.AwaitNote("send execute b");
  script_.Arrive();
  EXPECT_TRUE(Committed(b.get()));
}

TEST_F(PollerTest, WhenTheCallerGoesWhatWasSentIsEndedAndRolledBack) {
  const auto pool = OpenUsed();
  const Conversation caller = TransactionPool::Open();
  pool->Post(caller, BeginsWith("slow"), [](const TransactionAnswer&) {});
  pool->Close(caller);
  script_.AwaitNote("run slow");  // takes the answer
  const std::vector<std::string> log = script_.log();
  EXPECT_LT(std::find(log.begin(), log.end(), "interrupt"), std::find(log.begin(), log.end(), "run slow"));
  script_.AwaitNote("roll back");
  script_.halves = false;
  EXPECT_TRUE(Committed([&] {
    const Conversation other = TransactionPool::Open();
    Ask(*pool, other, Begins(false));
    return Ask(*pool, other, Asks(CommitRequest{{"1"}, 0}));
  }()));
}

TEST_F(PollerTest, WhatTakesLongerThanItsTimeIsLeftToAWorkerToEnd) {
  const auto pool = OpenUsed();
  script_.runs.emplace_back(absl::DeadlineExceededError("its time is over"));
  TransactionRequest request = BeginsWith("slow");
  request.begin->timeout = absl::Milliseconds(30);
  std::future<TransactionAnswer> answer = Post(*pool, TransactionPool::Open(), std::move(request));
  EXPECT_EQ(ErrorOf(answer.get()).reason, Reason::kTransactionTimeout);
  EXPECT_THAT(script_.log(), Contains("run slow"));
  EXPECT_EQ(pool->usage().in_use, 0);
}

TEST_F(PollerTest, WhoGoesWhileHisRequestIsBeingSentIsNotWaitedFor) {
  const auto pool = OpenUsed();
  const Conversation caller = TransactionPool::Open();
  script_.in_send = [&] { pool->Close(caller); };
  pool->Post(caller, BeginsWith("slow"), [](const TransactionAnswer&) {});
  script_.AwaitNote("interrupt");
  script_.AwaitNote("roll back");
}

TEST_F(PollerTest, WhatTheEngineHasToRecordIsNotWaitedForByThePoller) {
  const auto pool = OpenUsed(absl::Milliseconds(50));
  script_.same_database = false;  // the record follows in the system database
  script_.standing.first_run = true;
  std::promise<void> go_on;
  script_.in_record = [&] { go_on.get_future().wait(); };
  const Conversation caller = TransactionPool::Open();
  std::future<TransactionAnswer> rows = Post(*pool, caller, BeginsWith("a"));
  EXPECT_THAT(script_.log(), Contains("send run a"));
  script_.Arrive();
  EXPECT_TRUE(std::holds_alternative<SqlRows>(rows.get()));
  std::future<TransactionAnswer> end = Post(*pool, caller, Asks(CommitRequest{{"1"}, 0}));
  script_.Arrive();
  script_.AwaitNote("engine records 1");
  EXPECT_EQ(ErrorOf(Ask(*pool, TransactionPool::Open(), BeginsWith("b"))).reason, Reason::kPoolExhausted);
  go_on.set_value();
  EXPECT_TRUE(Committed(end.get()));
}

TEST_F(PollerTest, AnswersOfOneMomentAreFlushedTogetherAndNoneIsForgotten) {
  const auto pool = OpenUsed();
  std::atomic<int> answers = 0;
  std::atomic<int> flushed = 0;  // answers that had been given at the last flush
  const Conversation caller = TransactionPool::Open([&] { flushed = answers.load(); });
  const auto count = [&](const TransactionAnswer&) { ++answers; };
  pool->Post(caller, BeginsWith("a"), count);
  script_.Arrive();
  AwaitEqual(flushed, 1);
  script_.halves = false;  // a worker answers
  pool->Post(caller, Asks(CommitRequest{{"1"}, 0}), count);
  AwaitEqual(flushed, 2);
  pool->Post(caller, Asks(CommitRequest{{"1"}, 0}), count);  // refused at once
  EXPECT_EQ(flushed, 3);
}

TEST_F(PollerTest, TheEndOfThePoolEndsWhatWasSent) {
  auto pool = OpenUsed();
  pool->Post(TransactionPool::Open(), BeginsWith("slow"), [](const TransactionAnswer&) {});
  pool.reset();
  EXPECT_THAT(script_.log(), Contains("interrupt"));
  EXPECT_EQ(script_.log().back(), "roll back");
}

}  // namespace
}  // namespace dbos::sidecar
