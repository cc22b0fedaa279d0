// Reconnects: what is resumed, what is sent again, what is given up.
#include <atomic>
#include <latch>
#include <set>
#include <string>
#include <thread>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {
namespace {

using Frames = FakeSidecar::Frames;

std::size_t CountHellos(const Frames& frames) {
  return static_cast<std::size_t>(
      std::count_if(frames.begin(), frames.end(), [](const auto& frame) { return frame.has_hello(); }));
}

class ReconnectTest : public ::testing::Test {
 protected:
  FakeSidecar sidecar_;
  std::unique_ptr<App> app_ = sidecar_.MakeApp();
};

TEST_F(ReconnectTest, UnacknowledgedRecordsAreSentAgainWithTheSameTimes) {
  const auto workflow = app_->workflow("w", [](Context& ctx) {
    ctx.step("first", [] {});
    return ctx.step("second", [] { return 2; });
  });
  app_->launch();
  sidecar_.HoldAcks();
  const auto handle = workflow.start({.workflow_id = "w"});
  sidecar_.WaitUntil([](const Frames& frames) { return !frames.empty() && frames.back().has_record_step(); });
  sidecar_.Break();
  sidecar_.WaitUntil([](const Frames& frames) { return CountHellos(frames) == 2 && frames.back().has_record_step(); });
  sidecar_.ReleaseAcks();
  EXPECT_EQ(handle.result(), 2);
  std::vector<v1::StepRecord> first;
  for (const v1::ClientFrame& frame : sidecar_.frames()) {
    if (frame.has_record_step() && frame.record_step().step().step_id() == 0)
      first.push_back(frame.record_step().step());
    if (frame.has_hello() && !first.empty()) {
      ASSERT_EQ(frame.hello().resume_size(), 1);
      EXPECT_EQ(frame.hello().resume(0).workflow_id(), "w");
    }
  }
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].SerializeAsString(), first[1].SerializeAsString());
  EXPECT_GT(first[0].completed_at_ms(), 0);
}

TEST_F(ReconnectTest, AStartWithoutAnIdIsSentAgainAsTheSameRequestWhichNamesTheWorkflow) {
  const auto workflow = app_->workflow("w", [](Context&) { return 1; });
  app_->launch();
  sidecar_.Refuse(v1::ClientFrame::kStart, v1::REASON_DATABASE_UNAVAILABLE, v1::RETRY_CLASS_SAME_REQUEST);
  std::thread database([&] {
    sidecar_.WaitUntil([](const Frames& frames) { return !frames.empty() && frames.back().has_start(); });
    sidecar_.Refuse(v1::ClientFrame::kStart, v1::REASON_UNSPECIFIED, v1::RETRY_CLASS_UNSPECIFIED);
  });
  const auto handle = workflow.start({});
  database.join();
  EXPECT_EQ(handle.result(), 1);
  std::vector<std::string> ids;
  for (const v1::ClientFrame& frame : sidecar_.frames()) {
    if (!frame.has_start()) continue;
    EXPECT_EQ(frame.start().start().workflow_id(), "");
    ids.push_back(frame.start().start().request_id());
  }
  ASSERT_GE(ids.size(), 2U);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1U);
  EXPECT_EQ(ids[0], handle.id());
  EXPECT_EQ(ids[0].size(), 36U);
  EXPECT_EQ(ids[0][14], '7') << ids[0];
}

TEST_F(ReconnectTest, AStepThatRunsDuringTheBreakIsRecordedAfterwards) {
  std::latch running(1);
  std::latch broken(1);
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    return ctx.step("long", [&] {
      running.count_down();
      broken.wait();
      return 5;
    });
  });
  app_->launch();
  const auto handle = workflow.start({.workflow_id = "w"});
  running.wait();
  sidecar_.Break();
  broken.count_down();
  EXPECT_EQ(handle.result(), 5);
  EXPECT_EQ(sidecar_.streams(), 2);
}

TEST_F(ReconnectTest, AnExecutionThatWasNotAdoptedSendsNothing) {
  const auto workflow = app_->workflow("w", [](Context& ctx) {
    ctx.step("first", [] {});
    ctx.step("second", [] {});
  });
  app_->launch();
  sidecar_.HoldAcks();
  sidecar_.SetVerdict(v1::Reattached::VERDICT_STALE);
  const auto handle = workflow.start({.workflow_id = "w"});
  sidecar_.WaitUntil([](const Frames& frames) { return !frames.empty() && frames.back().has_record_step(); });
  sidecar_.Break();
  sidecar_.WaitUntil([](const Frames& frames) { return CountHellos(frames) == 2; });
  app_->shutdown();
  const Frames frames = sidecar_.frames();
  const auto second_hello =
      std::find_if(frames.rbegin(), frames.rend(), [](const auto& frame) { return frame.has_hello(); });
  for (auto frame = frames.rbegin(); frame != second_hello; ++frame) {
    EXPECT_FALSE(frame->has_record_step() || frame->has_complete()) << frame->ShortDebugString();
  }
}

TEST_F(ReconnectTest, AWaitIsAskedAgainOnTheNewStream) {
  app_->launch();
  std::thread waiter([&] { EXPECT_EQ(app_->handle<int>("elsewhere").result(), 9); });
  sidecar_.WaitUntil([](const Frames& frames) { return frames.back().has_await_workflow(); });
  sidecar_.Break();
  sidecar_.WaitUntil(
      [](const Frames& frames) { return CountHellos(frames) == 2 && frames.back().has_await_workflow(); });
  v1::ServerFrame frame;
  frame.mutable_awaited()->set_seq(sidecar_.frames().back().await_workflow().seq());
  frame.mutable_awaited()->mutable_response()->set_status(v1::WORKFLOW_STATUS_SUCCESS);
  frame.mutable_awaited()->mutable_response()->mutable_outcome()->mutable_value()->set_data("9");
  sidecar_.Push(frame);
  waiter.join();
}

TEST_F(ReconnectTest, AnOperationThatMayBeRepeatedIsRepeated) {
  sidecar_.Refuse(v1::ClientFrame::kStart, v1::REASON_DATABASE_UNAVAILABLE, v1::RETRY_CLASS_SAME_REQUEST);
  const auto workflow = app_->workflow("w", [](Context&) { return 1; });
  app_->launch();
  std::thread caller([&] { EXPECT_EQ(workflow.start({}).result(), 1); });
  const auto starts = [](const Frames& frames) {
    std::vector<std::string> requests;
    for (const auto& frame : frames) {
      if (frame.has_start()) requests.push_back(frame.start().start().request_id());
    }
    return requests;
  };
  sidecar_.WaitUntil([&](const Frames& frames) { return starts(frames).size() >= 2; });
  sidecar_.Refuse(v1::ClientFrame::kStart, v1::REASON_UNSPECIFIED, v1::RETRY_CLASS_UNSPECIFIED);
  caller.join();
  const auto requests = starts(sidecar_.frames());
  EXPECT_EQ(requests[0], requests[1]);
}

TEST_F(ReconnectTest, WhatDoesNotFitIntoOneHelloIsDispatchedAnew) {
  constexpr int kWorkflows = 20;
  constexpr std::uint32_t kMessageBytesMax = 1000;
  sidecar_.SetMessageBytesMax(kMessageBytesMax);
  std::latch go(1);
  std::atomic<int> begun = 0;
  std::latch running(1);
  const auto workflow = app_->workflow("w", [&](Context&) {
    if (++begun == kWorkflows) running.count_down();
    go.wait();
    return 1;
  });
  app_->launch();
  std::vector<WorkflowHandle<int>> handles;
  for (int i = 0; i < kWorkflows; ++i) handles.push_back(workflow.start({}));
  running.wait();
  sidecar_.Break();
  sidecar_.WaitUntil([](const Frames& frames) { return CountHellos(frames) == 2; });
  const v1::Hello hello = sidecar_.frames().back().hello();
  EXPECT_GT(hello.resume_size(), 0);
  EXPECT_LT(hello.ByteSizeLong(), kMessageBytesMax);
  go.count_down();
  for (const auto& handle : handles) EXPECT_EQ(handle.result(std::chrono::seconds(10)), 1);
  app_->shutdown();  // waits for the executions that were stopped, too
}

TEST_F(ReconnectTest, WhatFollowsARepeatedRecordIsSentBehindItAgain) {
  sidecar_.Refuse(v1::ClientFrame::kRecordStep, v1::REASON_INFLIGHT_LIMIT, v1::RETRY_CLASS_SAME_REQUEST);
  const auto workflow = app_->workflow("w", [](Context& ctx) { return ctx.step("only", [] { return 1; }); });
  app_->launch();
  const auto handle = workflow.start({.workflow_id = "w"});
  const auto records = [](const Frames& frames) {
    return std::count_if(frames.begin(), frames.end(), [](const auto& frame) { return frame.has_record_step(); });
  };
  sidecar_.WaitUntil([&](const Frames& frames) { return records(frames) >= 2; });
  sidecar_.Refuse(v1::ClientFrame::kRecordStep, v1::REASON_UNSPECIFIED, v1::RETRY_CLASS_UNSPECIFIED);
  EXPECT_EQ(handle.result(), 1);
  const Frames frames = sidecar_.frames();
  EXPECT_TRUE(frames[frames.size() - 2].has_record_step());
  EXPECT_TRUE(frames[frames.size() - 1].has_complete());
}

}  // namespace
}  // namespace dbos::testing
