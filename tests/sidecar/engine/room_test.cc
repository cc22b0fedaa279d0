// Operations that are refused for want of room: what comes behind them, and how they come again.
#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

EngineOptions LittleRoom() {
  EngineOptions options;
  options.pending_bytes_max = 8 << 10;
  options.execution_operations_max = 5;
  options.cancels_max = 2;
  return options;
}

class RoomTest : public ::testing::Test {
 protected:
  // An execution whose step 0 was refused for want of room. There is room again.
  ExecutionRef LeftOut() {
    const ExecutionRef ref = StartOne();
    WithoutRoom([&] { h.Step(1, app, 10, ref, 0); });
    EXPECT_EQ(app->refused.at(10).reason, Reason::kInflightLimit);
    return ref;
  }
  ExecutionRef StartOne() {
    h.Start(1, app, 1, "order-1");
    h.Settle();
    return app->dispatched.back().execution;
  }
  // Another execution's step fills the sidecar until its commit.
  template <typename Do>
  void WithoutRoom(Do act) {
    auto other = std::make_shared<RecordingSink>();
    h.Step(1, other, 1, {"other", "token"}, 0, std::string(9 << 10, '1'));
    act();
    h.Settle();
  }
  void StartChild(std::uint64_t seq, const ExecutionRef& parent, std::int32_t step_id) {
    StartRequest child;
    child.name = "ship";
    child.parent = StartOp::Parent{parent, step_id, 1, 1};
    h.engine->StartWorkflow(1, app, seq, std::move(child));
  }
  std::size_t steps() const { return h.storage.rows.at("order-1").steps.size(); }
  WorkflowStatus status() const { return h.storage.rows.at("order-1").row.status; }

  Harness h{LittleRoom()};
  std::shared_ptr<RecordingSink> app = h.Open(1);
};

TEST_F(RoomTest, NothingGoesPastARefusedStepUntilItComesAgain) {
  const ExecutionRef ref = LeftOut();
  h.Step(1, app, 11, ref, 1);
  StartChild(12, ref, 2);
  h.Complete(1, app, 13, ref);
  h.Settle();
  for (const auto& [seq, error] : app->refused) EXPECT_EQ(error.reason, Reason::kInflightLimit) << seq;
  EXPECT_EQ(app->refused.size(), 4U);
  EXPECT_EQ(steps(), 0U);
  h.Step(1, app, 14, ref, 0);
  h.Step(1, app, 15, ref, 1);
  StartChild(16, ref, 2);
  h.Complete(1, app, 17, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, (std::vector<std::uint64_t>{14, 15, 17}));
  EXPECT_TRUE(app->started.at(16).created);
  EXPECT_EQ(steps(), 3U);
  EXPECT_EQ(status(), WorkflowStatus::kSuccess);
}

TEST_F(RoomTest, NothingGoesPastARefusedChildStart) {
  const ExecutionRef ref = StartOne();
  WithoutRoom([&] { StartChild(10, ref, 0); });
  h.Complete(1, app, 11, ref);
  EXPECT_EQ(app->refused.at(11).reason, Reason::kInflightLimit);
  StartChild(12, ref, 0);
  h.Complete(1, app, 13, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{13});
}

TEST_F(RoomTest, WhatTheDoorRefusesCountsAsWellAndTheFirstOneMatters) {
  const ExecutionRef ref = StartOne();
  h.engine->NoRoomFor(1, ref, 1);
  h.engine->NoRoomFor(1, ref, 2);
  h.Step(1, app, 10, ref, 0);  // what was before the refused one may come again too
  h.Step(1, app, 11, ref, 2);
  h.Step(1, app, 12, ref, 1);
  h.Step(1, app, 13, ref, 2);
  h.Settle();
  EXPECT_EQ(app->acknowledged, (std::vector<std::uint64_t>{10, 12, 13}));
  EXPECT_EQ(app->refused.at(11).reason, Reason::kInflightLimit);
}

TEST_F(RoomTest, ARefusedOutcomeMayComeAgain) {
  const ExecutionRef ref = StartOne();
  WithoutRoom([&] { h.Complete(1, app, 10, ref); });
  h.Complete(1, app, 11, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{11});
}

TEST_F(RoomTest, AnErrorOutcomeEndsTheExecutionAllTheSame) {
  h.Fail(1, app, 11, LeftOut());
  h.Settle();
  EXPECT_EQ(status(), WorkflowStatus::kError);
  EXPECT_EQ(h.engine->status().executions, 0U);
}

TEST_F(RoomTest, AReleaseAndACancelAreAsUsual) {
  const ExecutionRef ref = LeftOut();
  h.engine->DrainSession(1);
  h.engine->ReleaseExecution(app, 11, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{11});
  EXPECT_EQ(status(), WorkflowStatus::kEnqueued);
  h.engine->CancelWorkflow(app, 12, "order-1");
  h.Settle();
  EXPECT_EQ(status(), WorkflowStatus::kCancelled);
}

TEST_F(RoomTest, ANewOwnerStartsWithoutIt) {
  LeftOut();
  auto other = h.Open(2);
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  h.Settle();
  ASSERT_EQ(other->dispatched.size(), 1U);
  h.Step(2, other, 1, other->dispatched[0].execution, 1);
  h.Settle();
  EXPECT_EQ(other->acknowledged, std::vector<std::uint64_t>{1});
}

TEST_F(RoomTest, ItHoldsWhenItsProcessReconnectsAndWhatTheOldStreamBringsLateDoesNotCount) {
  const ExecutionRef ref = LeftOut();
  h.engine->CloseSession(1, CloseCause::kConnectionLost);
  auto back = h.Open(101, 10, {ref});
  h.Step(101, back, 1, ref, 1);
  EXPECT_EQ(back->refused.at(1).reason, Reason::kInflightLimit);
  h.Step(101, back, 2, ref, 0);
  h.engine->NoRoomFor(1, ref, 0);
  h.Step(101, back, 3, ref, 1);
  h.Settle();
  EXPECT_EQ(back->acknowledged, (std::vector<std::uint64_t>{2, 3}));
}

TEST_F(RoomTest, UnaryCallsHaveNoOrderAndAnExecutionThatIsNotHereIsNotKept) {
  const ExecutionRef ref = StartOne();
  auto stub = std::make_shared<RecordingSink>();
  WithoutRoom([&] {
    h.Step(kNoSession, stub, 1, ref, 0);
    h.Step(1, stub, 2, {"nobody", "token"}, 0);
  });
  EXPECT_EQ(stub->refused.at(1).reason, Reason::kInflightLimit);
  EXPECT_EQ(stub->refused.at(2).reason, Reason::kInflightLimit);
  h.Step(kNoSession, stub, 3, ref, 1);
  h.Complete(1, app, 4, ref);
  h.Settle();
  EXPECT_EQ(stub->acknowledged, std::vector<std::uint64_t>{3});
  h.engine->Drain(absl::ZeroDuration());
  h.Settle();
  EXPECT_TRUE(h.engine->Drained());
}

TEST_F(RoomTest, OperationsWithoutAPayloadTakeRoomToo) {
  auto stub = std::make_shared<RecordingSink>();
  for (std::uint64_t i = 0; i < 100; ++i) h.Step(kNoSession, stub, i, {"w" + std::to_string(i), "token"}, 0, "");
  for (std::uint64_t i = 100; i < 200; ++i) h.Start(kNoSession, stub, i, "w" + std::to_string(i));
  EXPECT_GT(stub->refused.size(), 190U);
  for (const auto& [seq, error] : stub->refused) EXPECT_EQ(error.reason, Reason::kInflightLimit);
  h.Settle();
  h.Start(kNoSession, stub, 200, "after");
  h.Settle();
  EXPECT_TRUE(stub->started.at(200).created);
}

TEST_F(RoomTest, OneExecutionDoesNotTakeAllTheRoomAndWhatIsRefusedOfItComesAgainInOrder) {
  const ExecutionRef ref = StartOne();
  for (std::uint64_t i = 0; i < 7; ++i) h.Step(1, app, 10 + i, ref, static_cast<std::int32_t>(i));
  h.Complete(1, app, 17, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, (std::vector<std::uint64_t>{10, 11, 12, 13, 14}));
  for (const std::uint64_t seq : {15U, 16U, 17U}) EXPECT_EQ(app->refused.at(seq).reason, Reason::kInflightLimit);
  EXPECT_NE(app->refused.at(15).message.find("at most 5"), std::string::npos) << app->refused.at(15).message;
  h.Step(1, app, 18, ref, 6);
  EXPECT_EQ(app->refused.at(18).reason, Reason::kInflightLimit) << "step 5 is missing";
  for (std::uint64_t i = 5; i < 7; ++i) h.Step(1, app, 20 + i, ref, static_cast<std::int32_t>(i));
  h.Complete(1, app, 27, ref);
  h.Settle();
  EXPECT_EQ(steps(), 7U);
  EXPECT_EQ(status(), WorkflowStatus::kSuccess);
}

TEST_F(RoomTest, CancelsHaveALimitOfTheirOwn) {
  auto stub = std::make_shared<RecordingSink>();
  for (std::uint64_t i = 0; i < 3; ++i) h.engine->CancelWorkflow(stub, i, "nobody");
  EXPECT_EQ(stub->refused.at(2).reason, Reason::kInflightLimit);
  h.Settle();
  EXPECT_EQ(stub->acknowledged, (std::vector<std::uint64_t>{0, 1}));
}

}  // namespace
}  // namespace dbos::sidecar
