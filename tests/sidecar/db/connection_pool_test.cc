// The pool over connections that do what the test says.
#include "sidecar/db/connection_pool.h"

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

using testing::HasSubstr;

class FakeConnection : public Connection {
 public:
  explicit FakeConnection(std::atomic<int>& open, const std::atomic<bool>& alive) : open_(open), alive_(alive) {
    ++open_;
  }
  ~FakeConnection() override { --open_; }
  using Connection::RunBatch;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> /*statements*/,
                                               const Meanwhile& /*meanwhile*/) override {
    return std::vector<Result>();
  }
  absl::StatusOr<Result> Execute(const Statement& /*statement*/) override { return Result(); }
  absl::StatusOr<Result> RunScript(const std::string& /*sql*/) override {
    if (!alive_) return absl::UnavailableError("gone");
    return Result();
  }
  absl::StatusOr<Dialect> ServerDialect() override { return SqliteDialect(); }

 private:
  std::atomic<int>& open_;
  const std::atomic<bool>& alive_;
};

class ConnectionPoolTest : public testing::Test {
 protected:
  std::shared_ptr<ConnectionPool> Pool(PoolOptions options) {
    return ConnectionPool::Create("system", options, [this] {
      ++made_;
      return std::make_unique<FakeConnection>(open_, alive_);
    });
  }
  static PoolOptions Options(int size, int overflow, absl::Duration timeout) {
    PoolOptions options;
    options.size = size;
    options.max_overflow = overflow;
    options.timeout = timeout;
    return options;
  }

  std::atomic<int> open_ = 0;
  std::atomic<int> made_ = 0;
  std::atomic<bool> alive_ = true;
};

TEST_F(ConnectionPoolTest, KeepsWhatFitsAndClosesTheOverflow) {
  const auto pool = Pool(Options(1, 1, absl::ZeroDuration()));
  {
    const auto one = pool->Acquire("one");
    const auto two = pool->Acquire("two");
    ASSERT_TRUE(one.ok() && two.ok());
    EXPECT_EQ(pool->usage().in_use, 2);
    EXPECT_TRUE(absl::IsResourceExhausted(pool->Acquire("three").status()));
    EXPECT_EQ(pool->usage().timeouts, 1U);
  }
  EXPECT_EQ(open_, 1);
  EXPECT_EQ(pool->usage().idle, 1);
  EXPECT_TRUE(pool->Acquire("again").ok());
  EXPECT_EQ(made_, 2);
}

TEST_F(ConnectionPoolTest, ExhaustionSaysWhoHoldsTheConnectionsAndWhatToDo) {
  const auto pool = Pool(Options(2, 0, absl::Milliseconds(20)));
  const auto one = pool->Acquire("list_workflows");
  const auto two = pool->Acquire("list_steps");
  const std::string message = Message(pool->Acquire("late").status());
  EXPECT_THAT(message, HasSubstr("QueuePool limit of size 2 overflow 0 reached, connection timed out, timeout 0.02"));
  EXPECT_THAT(message, testing::ContainsRegex("in use by list_workflows for [0-9.]+ms, list_steps for "));
  EXPECT_THAT(message, HasSubstr("db_engine_kwargs.pool_size"));
  EXPECT_THAT(message, HasSubstr("dbos_pool_connections"));
}

TEST_F(ConnectionPoolTest, FirstComeFirstServed) {
  const auto pool = Pool(Options(1, 0, absl::Seconds(60)));
  auto held = std::make_unique<absl::StatusOr<ConnectionPool::Lease>>(pool->Acquire("held"));
  std::vector<int> order;
  Mutex mu;
  std::vector<std::thread> threads;
  constexpr int kWaiters = 5;
  for (int n = 0; n < kWaiters; ++n) {
    threads.emplace_back([&, n] {
      const auto lease = pool->Acquire("waiter");
      const MutexLock lock(mu);
      order.push_back(lease.ok() ? n : -1);
    });
    while (pool->usage().waiting <= n) std::this_thread::yield();
  }
  held.reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(order, testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(made_, 1);
}

TEST_F(ConnectionPoolTest, NobodyOvertakesOneThatWaits) {
  const auto pool = Pool(Options(1, 0, absl::Milliseconds(500)));
  auto held = std::make_unique<absl::StatusOr<ConnectionPool::Lease>>(pool->Acquire("held"));
  std::promise<void> enough;
  std::thread waiter([&] {
    const auto lease = pool->Acquire("waiter");
    EXPECT_TRUE(lease.ok()) << lease.status();
    enough.get_future().wait();
  });
  while (pool->usage().waiting == 0) std::this_thread::yield();
  held.reset();
  EXPECT_FALSE(pool->Acquire("overtakes").ok()) << "the waiter has it until we are done";
  enough.set_value();
  waiter.join();
}

TEST_F(ConnectionPoolTest, OneThatGaveUpDoesNotHoldUpTheOthers) {
  const auto pool = Pool(Options(1, 0, absl::Milliseconds(50)));
  auto held = std::make_unique<absl::StatusOr<ConnectionPool::Lease>>(pool->Acquire("held"));
  EXPECT_FALSE(pool->Acquire("gives up").ok());
  held.reset();
  EXPECT_TRUE(pool->Acquire("next").ok());
}

TEST_F(ConnectionPoolTest, AConnectionThatDiedWhileIdleIsReplaced) {
  const auto pool = Pool(Options(1, 0, absl::Seconds(1)));
  ASSERT_TRUE(pool->Acquire("first").ok());
  alive_ = false;
  ASSERT_TRUE(pool->Acquire("at once").ok());
  EXPECT_EQ(made_, 1) << "no ping between two uses that follow each other";
  const absl::Time until = absl::Now() + absl::Milliseconds(1100);
  while (absl::Now() < until) std::this_thread::yield();
  ASSERT_TRUE(pool->Acquire("later").ok());
  EXPECT_EQ(made_, 2);
  EXPECT_EQ(open_, 1);
}

TEST_F(ConnectionPoolTest, AnOldConnectionIsReplaced) {
  PoolOptions options = Options(1, 0, absl::Seconds(1));
  options.recycle = absl::ZeroDuration();
  const auto pool = Pool(options);
  ASSERT_TRUE(pool->Acquire("first").ok());
  ASSERT_TRUE(pool->Acquire("second").ok());
  EXPECT_GE(made_, 2);
  EXPECT_EQ(open_, 1);
}

TEST_F(ConnectionPoolTest, ABorrowedConnectionIsKeptFromTheFirstCallOn) {
  const auto pool = Pool(Options(1, 0, absl::ZeroDuration()));
  auto one = PooledConnection(pool);
  const auto two = PooledConnection(pool);
  EXPECT_EQ(pool->usage().waiting, 2);
  EXPECT_TRUE(two->RunScript("SELECT 1").ok()) << "who has a place and does not wait yet holds nobody up";
  EXPECT_TRUE(two->RunScript("SELECT 1").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(one->RunScript("SELECT 1").status()));
  EXPECT_TRUE(absl::IsResourceExhausted(one->RunScript("SELECT 1").status())) << "each call has its turn";
  EXPECT_EQ(pool->usage().timeouts, 2U);
  EXPECT_EQ(pool->usage().waiting, 0);
}

TEST_F(ConnectionPoolTest, WhoNeverCallsLeavesTheLine) {
  const auto pool = Pool(Options(1, 0, absl::ZeroDuration()));
  PooledConnection(pool).reset();
  EXPECT_EQ(pool->usage().waiting, 0);
}

TEST_F(ConnectionPoolTest, AWaitCountsFromWhenItsPlaceWasTaken) {
  constexpr absl::Duration kTimeout = absl::Milliseconds(300);
  const auto pool = Pool(Options(1, 0, kTimeout));
  const auto held = pool->Acquire("held");
  const absl::Time began = absl::Now();
  std::vector<ConnectionPool::Place> places;
  for (int n = 0; n < 5; ++n) places.push_back(pool->Join());
  // One after the other, as one thread would.
  for (const ConnectionPool::Place& place : places) EXPECT_FALSE(pool->Acquire(place, "late").ok());
  EXPECT_GE(absl::Now() - began, kTimeout);
  EXPECT_LT(absl::Now() - began, 3 * kTimeout) << "not five times as long";
}

}  // namespace
}  // namespace dbos::sidecar
