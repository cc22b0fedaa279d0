// run(): a start whose caller waits for the result, and is told of the end where the workflow runs.
#include <atomic>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {
namespace {

using Frames = FakeSidecar::Frames;

class RunTest : public ::testing::Test {
 protected:
  bool Awaits() {
    const Frames frames = sidecar_.frames();
    return std::any_of(frames.begin(), frames.end(), [](const auto& frame) { return frame.has_await_workflow(); });
  }
  void WaitForAwait() {
    sidecar_.WaitUntil([](const Frames& frames) { return !frames.empty() && frames.back().has_await_workflow(); });
  }

  FakeSidecar sidecar_;
  std::unique_ptr<App> app_ = sidecar_.MakeApp();
};

TEST_F(RunTest, ReturnsTheResultWithoutAskingForIt) {
  const auto workflow =
      app_->workflow("add", [](Context& ctx, int a, int b) { return ctx.step("add", [&] { return a + b; }); });
  const auto nothing = app_->workflow("nothing", [](Context&) {});
  app_->launch();
  EXPECT_EQ(workflow.run({.workflow_id = "w"}, 40, 2), 42);
  nothing.run({});
  EXPECT_EQ(sidecar_.workflow("w").status, v1::WORKFLOW_STATUS_SUCCESS);
  EXPECT_FALSE(Awaits());
}

TEST_F(RunTest, ThrowsWhatTheWorkflowThrew) {
  const auto workflow = app_->workflow("w", [](Context&) { throw std::runtime_error("no stock"); });
  app_->launch();
  try {
    workflow.run({});
    FAIL() << "it returned";
  } catch (const WorkflowError& error) {
    EXPECT_STREQ(error.what(), "no stock");
  }
}

TEST_F(RunTest, ReturnsOnlyWhenTheOutcomeIsDurable) {
  const auto workflow = app_->workflow("w", [](Context&) { return 1; });
  app_->launch();
  sidecar_.HoldAcks();
  std::atomic<bool> returned = false;
  std::thread caller([&] {
    EXPECT_EQ(workflow.run({}), 1);
    returned = true;
  });
  sidecar_.WaitUntil([](const Frames& frames) { return !frames.empty() && frames.back().has_complete(); });
  EXPECT_FALSE(returned);
  sidecar_.ReleaseAcks();
  caller.join();
}

TEST_F(RunTest, AWorkflowMayTakeLongerThanARequest) {
  app_ = sidecar_.MakeApp({.name = "test", .request_timeout = std::chrono::milliseconds(200)});
  std::latch go(1);
  const auto workflow = app_->workflow("w", [&](Context&) {
    go.wait();
    return 7;
  });
  app_->launch();
  const auto handle = workflow.start({.workflow_id = "w"});
  std::thread caller([&] { EXPECT_EQ(workflow.run({.workflow_id = "w"}), 7); });
  EXPECT_THROW(handle.result(std::chrono::milliseconds(250)), TimeoutError);
  go.count_down();
  caller.join();
}

TEST_F(RunTest, AStartThatIsNotAnsweredInTimeSaysSo) {
  app_ = sidecar_.MakeApp({.name = "test", .request_timeout = std::chrono::milliseconds(20)});
  const auto workflow = app_->workflow("w", [](Context&) {});
  app_->launch();
  sidecar_.Refuse(v1::ClientFrame::kStart, v1::REASON_DATABASE_UNAVAILABLE, v1::RETRY_CLASS_SAME_REQUEST);
  EXPECT_THROW(workflow.run({}), SidecarUnavailable);
}

TEST_F(RunTest, TwoCallersOfOneWorkflowBothGetItsResult) {
  std::latch go(1);
  std::atomic<int> bodies = 0;
  const auto workflow = app_->workflow("w", [&](Context&) {
    ++bodies;
    go.wait();
    return 7;
  });
  app_->launch();
  std::thread first([&] { EXPECT_EQ(workflow.run({.workflow_id = "w"}), 7); });
  std::thread second([&] { EXPECT_EQ(workflow.run({.workflow_id = "w"}), 7); });
  const auto starts = [](const Frames& frames) {
    return std::count_if(frames.begin(), frames.end(), [](const auto& frame) { return frame.has_start(); });
  };
  sidecar_.WaitUntil([&](const Frames& frames) { return starts(frames) == 2; });
  go.count_down();
  first.join();
  second.join();
  EXPECT_EQ(workflow.run({.workflow_id = "w"}), 7);  // it has ended: nothing runs here
  EXPECT_TRUE(Awaits());
  EXPECT_EQ(bodies, 1);
}

TEST_F(RunTest, TheResultIsAskedForWhenTheWorkflowGoesOnElsewhere) {
  std::latch running(1);
  std::latch gone(1);
  std::atomic<int> bodies = 0;
  const auto workflow = app_->workflow("w", [&](Context&) {
    if (++bodies == 1) {
      running.count_down();
      gone.wait();
    }
    return 7;
  });
  app_->launch();
  std::thread caller([&] { EXPECT_EQ(workflow.run({.workflow_id = "w"}), 7); });
  running.wait();
  sidecar_.SetVerdict(v1::Reattached::VERDICT_STALE);
  sidecar_.Break();
  WaitForAwait();
  gone.count_down();
  v1::ServerFrame frame;
  v1::Awaited& awaited = *frame.mutable_awaited();
  awaited.set_seq(sidecar_.frames().back().await_workflow().seq());
  awaited.mutable_response()->set_status(v1::WORKFLOW_STATUS_SUCCESS);
  awaited.mutable_response()->mutable_outcome()->mutable_value()->set_data("7");
  sidecar_.Push(std::move(frame));
  caller.join();
  app_->shutdown();  // the first body may still be about to wake, and what it waits for is declared here
}

TEST_F(RunTest, TheEndOfTheAppEndsTheWait) {
  std::latch running(1);
  std::latch go(1);
  const auto workflow = app_->workflow("w", [&](Context&) {
    running.count_down();
    go.wait();
  });
  app_->launch();
  std::thread caller([&] { EXPECT_THROW(workflow.run({}), SidecarUnavailable); });
  running.wait();
  std::thread end([&] { app_->shutdown(); });
  caller.join();
  go.count_down();
  end.join();
}

// Its start is accepted when the app has handed back what ran: nobody runs it here, and nobody will tell of its end.
TEST_F(RunTest, TheEndOfTheAppEndsTheWaitForWhatWasDispatchedTooLate) {
  constexpr std::chrono::seconds kRequestTimeout(5);
  app_ = sidecar_.MakeApp({.name = "test", .request_timeout = kRequestTimeout});
  std::latch running(1);
  std::latch go(1);
  const auto slow = app_->workflow("slow", [&](Context&) {
    running.count_down();
    go.wait();
  });
  const auto late = app_->workflow("late", [](Context&) {});
  app_->launch();
  const auto handle = slow.start({});
  running.wait();
  sidecar_.Refuse(v1::ClientFrame::kStart, v1::REASON_DATABASE_UNAVAILABLE, v1::RETRY_CLASS_SAME_REQUEST);
  const auto begin = std::chrono::steady_clock::now();
  std::thread caller([&] { EXPECT_THROW(late.run({.workflow_id = "late"}), SidecarUnavailable); });
  sidecar_.WaitUntil([](const Frames& frames) { return frames.back().start().start().name() == "late"; });
  std::thread end([&] { app_->shutdown(); });
  const auto has = [](const Frames& frames, v1::ClientFrame::FrameCase kind) {
    return std::any_of(frames.begin(), frames.end(), [&](const auto& frame) { return frame.frame_case() == kind; });
  };
  sidecar_.WaitUntil([&](const Frames& frames) { return has(frames, v1::ClientFrame::kRelease); });
  sidecar_.Refuse(v1::ClientFrame::kStart, v1::REASON_UNSPECIFIED, v1::RETRY_CLASS_UNSPECIFIED);
  sidecar_.WaitUntil([](const Frames& frames) { return frames.back().has_start(); });
  v1::ServerFrame ping;
  ping.mutable_ping()->set_nonce(1);
  sidecar_.Push(std::move(ping));
  sidecar_.WaitUntil([&](const Frames& frames) { return has(frames, v1::ClientFrame::kPong); });
  go.count_down();
  caller.join();
  end.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kRequestTimeout);
}

}  // namespace
}  // namespace dbos::testing
