// WorkerPool and Timers.
#include "clients/cpp/src/worker_pool.h"

#include <atomic>
#include <deque>
#include <latch>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "gtest/gtest.h"

#include "clients/cpp/src/timers.h"

namespace dbos::runtime {
namespace {

TEST(WorkerPoolTest, JobsRunAtTheSameTimeUpToTheCap) {
  std::latch together(3);
  WorkerPool pool(3);  // last: its end waits for jobs that still touch the latch
  for (int i = 0; i < 3; ++i) pool.Submit([&] { together.arrive_and_wait(); });
  together.wait();
}

TEST(WorkerPoolTest, EveryJobOfABurstGetsAThreadWhileTheOthersWait) {
  std::deque<std::latch> rounds;  // new threads, then idle ones
  for (int round = 0; round < 2; ++round) rounds.emplace_back(65);
  WorkerPool pool(64);  // last: its end waits for jobs that still touch a latch
  for (std::latch& together : rounds) {
    for (int i = 0; i < 64; ++i) pool.Submit([&] { together.arrive_and_wait(); });
    together.arrive_and_wait();
  }
}

TEST(WorkerPoolTest, ABurstOfShortJobsNeedsFewThreads) {
  std::mutex mu;
  std::set<std::thread::id> threads;
  WorkerPool pool(256);
  for (int i = 0; i < 256; ++i) {
    pool.Submit([&] {
      const std::scoped_lock lock(mu);
      threads.insert(std::this_thread::get_id());
    });
  }
  pool.Stop();
  EXPECT_LE(threads.size(), 128);
}

TEST(WorkerPoolTest, BeyondTheCapJobsWaitForAThread) {
  std::atomic<int> done = 0;
  std::latch all(3);
  WorkerPool pool(1);
  for (int i = 0; i < 3; ++i) {
    pool.Submit([&, i] {
      EXPECT_EQ(done++, i);
      all.count_down();
    });
  }
  all.wait();
}

TEST(WorkerPoolTest, StopRunsWhatIsQueued) {
  std::atomic<int> done = 0;
  WorkerPool pool(2);
  for (int i = 0; i < 100; ++i) pool.Submit([&] { ++done; });
  pool.Stop();
  EXPECT_EQ(done, 100);
}

TEST(TimersTest, CallsComeInTheOrderOfTheirTimes) {
  Timers timers;
  std::string order;
  std::latch last(1);
  timers.After(std::chrono::milliseconds(20), [&] {
    order += 'b';
    last.count_down();
  });
  timers.After(std::chrono::milliseconds(1), [&] { order += 'a'; });
  timers.Cancel(timers.After(std::chrono::milliseconds(2), [&] { order += 'x'; }));
  timers.After(std::chrono::milliseconds::max(), [&] { order += 'y'; });
  last.wait();
  EXPECT_EQ(order, "ab");
}

}  // namespace
}  // namespace dbos::runtime
