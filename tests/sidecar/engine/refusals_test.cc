// What becomes of an execution after one of its operations was refused while it owns its workflow.
#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

class RefusalsTest : public ::testing::Test {
 protected:
  // Starts a workflow whose step 0 is recorded under another name, and has the refusal of it.
  ExecutionRef Broken() {
    h.Start(1, app, 1, "order-1");
    h.Settle();
    const ExecutionRef ref = app->dispatched.back().execution;
    OtherStepAt(0);
    h.Step(1, app, 2, ref, 0);
    h.Settle();
    EXPECT_EQ(app->refused.at(2).reason, Reason::kStepMismatch);
    return ref;
  }
  void OtherStepAt(std::int32_t step_id) {
    h.storage.rows.at("order-1").steps[step_id] = {step_id, "other name", Outcome{}, "", 1, 1};
  }
  WorkflowStatus status() const { return h.storage.rows.at("order-1").row.status; }

  Harness h;
  std::shared_ptr<RecordingSink> app = h.Open(1);
};

TEST_F(RefusalsTest, WhatIsSentAfterARefusalIsRefusedTooExceptAnErrorOutcome) {
  const ExecutionRef ref = Broken();
  h.Step(1, app, 3, ref, 1);
  h.Complete(1, app, 4, ref);
  h.Settle();
  EXPECT_EQ(app->refused.at(3).reason, Reason::kPrecedingOperationFailed);
  EXPECT_EQ(app->refused.at(4).reason, Reason::kPrecedingOperationFailed);
  EXPECT_EQ(status(), WorkflowStatus::kPending);
  h.Fail(1, app, 5, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{5});
  EXPECT_EQ(status(), WorkflowStatus::kError);
  EXPECT_EQ(h.engine->status().executions, 0U);
}

TEST_F(RefusalsTest, AnOutcomeInTheBatchOfTheRefusedStepIsRecordedOnlyIfItIsAnError) {
  for (const bool error : {false, true}) {
    Harness other;
    std::swap(h.storage, other.storage);
    h.Restart();
    app = h.Open(1);
    h.Start(1, app, 1, "order-1");
    h.Settle();
    const ExecutionRef ref = app->dispatched.back().execution;
    OtherStepAt(0);
    h.Step(1, app, 2, ref, 0);
    error ? h.Fail(1, app, 3, ref) : h.Complete(1, app, 3, ref);
    h.Settle();
    EXPECT_EQ(app->answers.at(3), 1);
    EXPECT_EQ(app->refused.contains(3), !error);
    EXPECT_EQ(status(), error ? WorkflowStatus::kError : WorkflowStatus::kPending);
  }
}

TEST_F(RefusalsTest, ARefusedChildStartIsAnOperationLikeAnyOther) {
  h.Start(1, app, 1, "order-1");
  h.Settle();
  const ExecutionRef ref = app->dispatched.back().execution;
  h.storage.poisoned = "order-1-0";
  StartRequest child;
  child.name = "ship";
  child.parent = StartOp::Parent{ref, 0, 1, 1};
  h.engine->StartWorkflow(1, app, 2, std::move(child));
  h.Complete(1, app, 3, ref);
  h.Settle();
  EXPECT_EQ(app->refused.at(2).reason, Reason::kDatabaseError);
  h.Complete(1, app, 4, ref);
  h.Settle();
  EXPECT_EQ(app->refused.at(3).reason, Reason::kPrecedingOperationFailed);
  EXPECT_EQ(app->refused.at(4).reason, Reason::kPrecedingOperationFailed);
  EXPECT_EQ(status(), WorkflowStatus::kPending);
}

TEST_F(RefusalsTest, WhenItsProcessGoesAwayTheWorkflowRunsAgain) {
  const ExecutionRef ref = Broken();
  auto other = h.Open(2);
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  h.Settle();
  ASSERT_EQ(other->dispatched.size(), 1U);
  const ExecutionRef again = other->dispatched[0].execution;
  EXPECT_NE(again.owner_token, ref.owner_token);
  h.Step(2, other, 1, again, 1);
  h.Settle();
  EXPECT_EQ(other->acknowledged, std::vector<std::uint64_t>{1});
}

TEST_F(RefusalsTest, ItsProcessCanReleaseIt) {
  const ExecutionRef ref = Broken();
  h.engine->DrainSession(1);
  h.engine->ReleaseExecution(app, 3, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{3});
  EXPECT_EQ(status(), WorkflowStatus::kEnqueued);
}

TEST_F(RefusalsTest, AnExecutionOfAnEarlierLifeIsHandedBackAfterItsRefusal) {
  h.Start(1, app, 1, "order-1");
  h.Settle();
  const ExecutionRef ref = app->dispatched.back().execution;
  OtherStepAt(0);
  h.Restart({"process-1"});
  auto stub = std::make_shared<RecordingSink>();
  h.Step(kNoSession, stub, 1, ref, 0);
  h.Step(kNoSession, stub, 2, ref, 1);
  h.Settle();
  h.Complete(kNoSession, stub, 3, ref);
  h.Settle();
  EXPECT_EQ(stub->refused.at(1).reason, Reason::kStepMismatch);
  EXPECT_EQ(stub->refused.at(2).reason, Reason::kPrecedingOperationFailed);
  EXPECT_EQ(stub->refused.at(3).reason, Reason::kFenced);
  EXPECT_EQ(status(), WorkflowStatus::kEnqueued);
  EXPECT_EQ(h.engine->status().executions, 0U);
}

TEST_F(RefusalsTest, TheDoorsRefusalCountsAndLeavesWhatCameBeforeIt) {
  h.Start(1, app, 1, "order-1");
  h.Settle();
  const ExecutionRef ref = app->dispatched.back().execution;
  h.Step(1, app, 2, ref, 0);
  h.engine->RefuseExecution(1, ref, {Reason::kPayloadTooLarge, "too large"});
  h.Step(1, app, 4, ref, 2);
  h.Complete(1, app, 5, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{2});
  EXPECT_EQ(app->refused.at(4).reason, Reason::kPrecedingOperationFailed);
  EXPECT_NE(app->refused.at(4).message.find("too large"), std::string::npos);
  EXPECT_EQ(app->refused.at(5).reason, Reason::kPrecedingOperationFailed);
  EXPECT_EQ(status(), WorkflowStatus::kPending);
  h.Fail(1, app, 6, ref);
  h.Settle();
  EXPECT_EQ(status(), WorkflowStatus::kError);
}

TEST_F(RefusalsTest, TheDoorsRefusalForAnExecutionThatIsNotHereHandsItBackIfItIsTheOwner) {
  h.Start(1, app, 1, "order-1");
  h.Settle();
  const ExecutionRef ref = app->dispatched.back().execution;
  h.Restart({"process-1"});
  for (const char* token : {"stale", ref.owner_token.c_str()}) {
    EXPECT_EQ(status(), WorkflowStatus::kPending);
    h.engine->RefuseExecution(kNoSession, {"order-1", token}, {Reason::kInvalidRequest, "malformed"});
    h.Settle();
  }
  EXPECT_EQ(status(), WorkflowStatus::kEnqueued);
  h.engine->RefuseExecution(kNoSession, {"nobody", "token"}, {Reason::kInvalidRequest, "malformed"});
  h.Settle();
  EXPECT_EQ(h.engine->status().executions, 0U);
}

}  // namespace
}  // namespace dbos::sidecar
