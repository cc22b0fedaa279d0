// Who handles the events of a stream: the keeper, or a thread that waits for an answer.
#include "clients/cpp/src/turn.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <thread>
#include <vector>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {
namespace {

using runtime::Turn;

TEST(TurnTest, OneThreadHasItAtATime) {
  Turn turn;
  turn.Take();
  EXPECT_FALSE(turn.TryTake());
  turn.Give();
  std::atomic<bool> inside = false;
  std::atomic<bool> over = false;
  const auto work = [&] {
    EXPECT_FALSE(inside.exchange(true));
    std::this_thread::yield();
    inside = false;
  };
  std::thread keeper([&] {
    while (!over) {
      turn.Take();
      work();
      turn.Give();
    }
  });
  for (int n = 0; n < 1000;) {
    if (!turn.TryTake()) continue;
    work();
    turn.Leave(++n % 100 == 0 ? Turn::Leaving::kForAMoment : Turn::Leaving::kForGood);
  }
  over = true;
  keeper.join();
}

TEST(TurnTest, TheKeeperStaysAwayForAMomentOnly) {
  using Clock = std::chrono::steady_clock;
  Turn turn;
  turn.Reserve();
  auto before = Clock::now();
  turn.Take();
  EXPECT_GE(Clock::now() - before, std::chrono::microseconds(900));
  turn.Give();
  ASSERT_TRUE(turn.TryTake());
  turn.Leave(Turn::Leaving::kForAMoment);
  before = Clock::now();
  turn.Take();
  EXPECT_GE(Clock::now() - before, std::chrono::microseconds(900));
}

// A quarter of the times tells: some threads are late on a busy machine, whoever calls them.
TEST(TurnTest, AKeeperThatStaysAwayIsCalledBackAtOnce) {
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::duration> times;
  for (int n = 0; n < 100; ++n) {
    Turn turn;
    turn.Reserve();
    std::latch there(1);
    Clock::time_point taken;
    std::thread keeper([&] {
      there.count_down();
      turn.Take();
      taken = Clock::now();
    });
    there.wait();
    for (const auto begin = Clock::now(); Clock::now() - begin < std::chrono::microseconds(200);) {
    }
    const auto released = Clock::now();
    turn.Release();
    keeper.join();
    EXPECT_FALSE(turn.TryTake());
    times.push_back(taken - released);
  }
  std::sort(times.begin(), times.end());
  EXPECT_LT(times[25], std::chrono::microseconds(500));
}

class HelpTest : public ::testing::Test {
 protected:
  FakeSidecar sidecar_;
  std::unique_ptr<App> app_ = sidecar_.MakeApp();
};

TEST_F(HelpTest, AWorkflowThatIsAloneHandlesTheAnswersToItsStepsItself) {
  const auto workflow = app_->workflow("w", [](Context& ctx) {
    int sum = 0;
    for (int n = 0; n < 50; ++n) sum += ctx.step("s", [] { return 1; });
    return sum;
  });
  app_->launch();
  for (int n = 0; n < 100 && sidecar_.helped() == 0; ++n) EXPECT_EQ(workflow.run({}), 50);
  EXPECT_GT(sidecar_.helped(), 0);
}

TEST_F(HelpTest, WhatIsForOthersReachesThemWhileItHelps) {
  std::latch go(1);
  const auto steps = app_->workflow("steps", [&](Context& ctx) {
    for (int n = 0; n < 200; ++n) ctx.step("s", [] {});
    go.wait();
    ctx.step("last", [] {});
  });
  const auto other = app_->workflow("other", [](Context& ctx) { return ctx.step("s", [] { return 7; }); });
  app_->launch();
  const auto handle = steps.start({});
  for (int n = 0; n < 50; ++n) EXPECT_EQ(other.run({}), 7);
  go.count_down();
  handle.result();
}

TEST_F(HelpTest, ACancellationEndsTheWaitOfTheThreadThatHelps) {
  const auto workflow = app_->workflow("w", [](Context& ctx) {
    while (true) ctx.step("s", [] {});
  });
  app_->launch();
  const auto handle = workflow.start({.workflow_id = "w"});
  sidecar_.WaitUntil([](const FakeSidecar::Frames& frames) { return frames.back().has_record_step(); });
  sidecar_.HoldAcks();
  sidecar_.Cancel("w");
  app_->shutdown();  // waits for the workflow's thread: for ever, if that still waits
  EXPECT_THROW(handle.result(), Error);
}

}  // namespace
}  // namespace dbos::testing
