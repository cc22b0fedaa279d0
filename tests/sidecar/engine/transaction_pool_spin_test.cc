// The answer to a lone caller is taken by the thread that asks, if it comes soon.
#include <chrono>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"

#include "tests/sidecar/engine/transaction_pool_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Not;

class SpinTest : public TransactionPoolTest {
 protected:
  // A pool whose connections are open, and nobody has been there for a while.
  std::unique_ptr<TransactionPool> OpenQuiet(absl::Duration spin, int size = 1) {
    TransactionPool::Options options;
    options.size = size;
    options.spin = spin;
    auto pool = OpenUsed(options);
    script_.halves = true;
    AwaitQuiet();
    return pool;
  }
  static void AwaitQuiet() {
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(2 * TransactionPool::kQuiet));  // paces the next request
  }
  static TransactionRequest BeginsWith(const std::string& sql) {
    TransactionRequest request = Begins(true);
    request.command = Sql(sql);
    return request;
  }
  // The thread on which the answer to a first statement is given. Its answer is there as soon as it is sent.
  std::thread::id AnsweredOn(TransactionPool& pool, const Conversation& caller) {
    script_.in_send = [this] { script_.Arrive(); };
    std::promise<std::thread::id> thread;
    pool.Post(caller, BeginsWith("a"), [&](const TransactionAnswer& answer) {
      EXPECT_TRUE(std::holds_alternative<SqlRows>(answer));
      thread.set_value(std::this_thread::get_id());
    });
    return thread.get_future().get();
  }
};

constexpr absl::Duration kLong = absl::Seconds(5);  // nobody waits so long where the answer is there

TEST_F(SpinTest, ALoneCallersAnswerIsTakenByTheThreadThatAsks) {
  const auto pool = OpenQuiet(kLong);
  const Conversation caller = TransactionPool::Open();
  EXPECT_EQ(AnsweredOn(*pool, caller), std::this_thread::get_id());
  EXPECT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
  EXPECT_THAT(script_.log(), Contains("send commit with 1"));
  EXPECT_EQ(pool->usage().in_use, 0);
}

TEST_F(SpinTest, NobodyIsWaitedForSoByDefault) {
  const auto pool = OpenQuiet(TransactionPool::Options().spin);
  EXPECT_NE(AnsweredOn(*pool, TransactionPool::Open()), std::this_thread::get_id());
}

TEST_F(SpinTest, WithAnotherTransactionAboutNobodyIsWaitedForSo) {
  const auto pool = OpenQuiet(kLong, 2);
  const Conversation other = TransactionPool::Open();
  Ask(*pool, other, Begins(false));
  const Conversation caller = TransactionPool::Open();
  EXPECT_NE(AnsweredOn(*pool, caller), std::this_thread::get_id());
  Ask(*pool, other, Asks(CommitRequest{{"1"}, 0}));
  Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}));
  AwaitQuiet();
  EXPECT_EQ(AnsweredOn(*pool, caller), std::this_thread::get_id()) << "alone again";
}

TEST_F(SpinTest, WithWorkForTheEngineAboutNobodyIsWaitedForSo) {
  const auto pool = OpenQuiet(kLong);
  script_.quiet_for = TransactionPool::kQuiet / 2;
  EXPECT_NE(AnsweredOn(*pool, TransactionPool::Open()), std::this_thread::get_id());
}

TEST_F(SpinTest, WhatDoesNotComeSoonIsLeftToThePoller) {
  const auto pool = OpenQuiet(absl::Milliseconds(1));
  std::future<TransactionAnswer> rows = Post(*pool, TransactionPool::Open(), BeginsWith("a"));
  EXPECT_NE(rows.wait_for(std::chrono::milliseconds(20)), std::future_status::ready);
  script_.Arrive();
  EXPECT_TRUE(std::holds_alternative<SqlRows>(rows.get()));
}

TEST_F(SpinTest, WhatHasComeInPartIsLeftToThePoller) {
  const auto pool = OpenQuiet(kLong);
  script_.arrival = SqlArrival::kNotYet;
  script_.in_send = [this] { script_.Arrive(); };
  std::future<TransactionAnswer> rows = Post(*pool, TransactionPool::Open(), BeginsWith("a"));
  EXPECT_NE(rows.wait_for(std::chrono::milliseconds(20)), std::future_status::ready);
  script_.arrival = SqlArrival::kAll;
  script_.Arrive();
  EXPECT_TRUE(std::holds_alternative<SqlRows>(rows.get()));
}

// The caller goes while he is waited for: a worker has the seat by the time at which the answer comes.
TEST_F(SpinTest, WhoGoesMeanwhileIsLeftToAWorker) {
  const auto pool = OpenQuiet(kLong);
  const Conversation caller = TransactionPool::Open();
  std::thread leaves;
  script_.in_send = [&] {
    leaves = std::thread([&] {
      script_.AwaitNote("send run a");
      pool->Close(caller);
    });
  };
  std::promise<void> asked;
  script_.in_roll_back = [&] {
    script_.Arrive();
    asked.get_future().wait();
  };
  pool->Post(caller, BeginsWith("a"), [](const TransactionAnswer&) {});
  EXPECT_THAT(script_.log(), AllOf(Contains("interrupt"), Not(Contains("roll back"))));
  asked.set_value();
  leaves.join();
  script_.AwaitNote("roll back");
  script_.in_roll_back = nullptr;
  EXPECT_TRUE(std::holds_alternative<TransactionDone>(Ask(*pool, TransactionPool::Open(), Begins(false))));
}

// Answers that come while the thread gives up and the poller takes over: each is given, once.
TEST_F(SpinTest, NoAnswerIsLostOrGivenTwiceWhenItComesAtTheEndOfTheWait) {
  constexpr int kTransactions = 1000;
  constexpr int kSpinUs = 50;
  const auto pool = OpenQuiet(absl::Microseconds(kSpinUs));
  std::mt19937 random(1);
  std::uniform_int_distribution<int> delay_us(0, 2 * kSpinUs);
  const Conversation caller = TransactionPool::Open();
  for (int n = 0; n < kTransactions; ++n) {
    std::promise<void> sent;
    script_.in_send = [&] { sent.set_value(); };
    std::thread database([&, us = delay_us(random)] {
      sent.get_future().wait();
      const absl::Time end = absl::Now() + absl::Microseconds(us);
      while (absl::Now() < end) {
      }
      script_.Arrive();
    });
    TransactionRequest request = Begins(true);
    request.command = ExecuteRequest{Sql("a"), 0};
    EXPECT_TRUE(Committed(Ask(*pool, caller, std::move(request))));
    database.join();
  }
  EXPECT_EQ(pool->usage().in_use, 0);
}

}  // namespace
}  // namespace dbos::sidecar
