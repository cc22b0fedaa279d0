// The operations of one execution: start, record, complete, and what fences them.
#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

class StepsTest : public OneAppTest {};

TEST_F(StepsTest, StartOnTheCallersSessionIsAcknowledgedAndDispatchedAfterOneCommit) {
  const int commits = h.commits;
  h.Start(1, app, 1, "order-1");
  EXPECT_TRUE(app->started.empty());
  h.Settle();
  EXPECT_EQ(h.commits, commits + 1);
  EXPECT_TRUE(app->started.at(1).created);
  ASSERT_EQ(app->dispatched.size(), 1U);
  EXPECT_TRUE(app->dispatched[0].replay_complete);
  EXPECT_EQ(h.storage.rows.at("order-1").row.owner_token, app->dispatched[0].execution.owner_token);
}

TEST_F(StepsTest, NothingIsAcknowledgedBeforeTheCommit) {
  const ExecutionRef ref = StartOne();
  h.Step(1, app, 10, ref, 0);
  Batch batch = h.engine->TakeBatch();
  EXPECT_TRUE(app->acknowledged.empty());
  ASSERT_TRUE(h.storage.Commit(batch).ok());
  EXPECT_TRUE(app->acknowledged.empty());
  h.engine->Committed(std::move(batch));
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{10});
}

TEST_F(StepsTest, LastStepAndOutcomeShareOneCommit) {
  const ExecutionRef ref = StartOne();
  const int commits = h.commits;
  h.Step(1, app, 10, ref, 0);
  h.Complete(1, app, 11, ref);
  h.Settle();
  EXPECT_EQ(h.commits, commits + 1);
  EXPECT_EQ(app->acknowledged, (std::vector<std::uint64_t>{10, 11}));
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kSuccess);
  EXPECT_EQ(h.engine->status().executions, 0U);
}

TEST_F(StepsTest, OneExecutionHasOneStepInABatchSoThatARefusalStopsTheNext) {
  const ExecutionRef ref = StartOne();
  h.storage.rows.at("order-1").steps[0] = {0, "other name", Outcome{}, "", 1, 1};
  h.Step(1, app, 10, ref, 0);
  h.Step(1, app, 11, ref, 1);
  h.Complete(1, app, 12, ref);
  h.Settle();
  EXPECT_EQ(app->refused.at(10).reason, Reason::kStepMismatch);
  EXPECT_EQ(app->refused.at(11).reason, Reason::kPrecedingOperationFailed);
  EXPECT_EQ(app->refused.at(12).reason, Reason::kPrecedingOperationFailed);
  EXPECT_FALSE(h.storage.rows.at("order-1").steps.contains(1));
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kPending);
}

TEST_F(StepsTest, AStolenExecutionIsFencedAndWritesNothing) {
  const ExecutionRef ref = StartOne();
  h.storage.Steal("order-1");
  h.Step(1, app, 10, ref, 0);
  h.Complete(1, app, 11, ref);
  h.Settle();
  EXPECT_EQ(app->refused.at(10).reason, Reason::kFenced);
  EXPECT_FALSE(app->refused.at(11).ok());
  EXPECT_TRUE(h.storage.rows.at("order-1").steps.empty());
}

TEST_F(StepsTest, ALostCommitAnswerGivesOneOutcomeAndOneAnswer) {
  const ExecutionRef ref = StartOne();
  h.lose_next_answer = true;
  h.Step(1, app, 10, ref, 0);
  h.Complete(1, app, 11, ref);
  h.Settle();
  EXPECT_EQ(app->acknowledged, (std::vector<std::uint64_t>{10, 11}));
  EXPECT_EQ(h.storage.completions.at("order-1"), 1);
}

TEST_F(StepsTest, TheSameIdAgainReturnsTheExistingWorkflowAndDoesNotRunIt) {
  StartOne();
  h.Start(1, app, 20, "order-1");
  h.Settle();
  EXPECT_FALSE(app->started.at(20).created);
  EXPECT_EQ(app->dispatched.size(), 1U);
}

TEST_F(StepsTest, TheSameIdTwiceInOneRoundIsStartedOnce) {
  h.Start(1, app, 1, "order-1");
  h.Start(1, app, 2, "order-1");
  h.Settle();
  EXPECT_TRUE(app->started.at(1).created);
  EXPECT_FALSE(app->started.at(2).created);
  EXPECT_EQ(app->dispatched.size(), 1U);
}

TEST_F(StepsTest, TheSameIdWithAnotherNameIsAConflict) {
  StartOne();
  h.Start(1, app, 20, "order-1", "ship");
  h.Settle();
  EXPECT_EQ(app->refused.at(20).reason, Reason::kWorkflowConflict);
}

TEST_F(StepsTest, AStartSentAgainAfterASidecarRestartRecognisesItselfAndRuns) {
  h.Start(1, app, 1, "order-1", "checkout", "my-request");
  Batch batch = h.engine->TakeBatch();
  ASSERT_TRUE(h.storage.Commit(batch).ok());  // committed, and the sidecar dies before the answer
  h.Restart({"process-1"});
  app = h.Open(1);
  h.Start(1, app, 2, "order-1", "checkout", "my-request");
  h.Settle();
  EXPECT_TRUE(app->started.at(2).created);
  ASSERT_EQ(app->dispatched.size(), 1U);
}

TEST_F(StepsTest, AStartWithoutAnIdThatIsSentAgainIsTheSameWorkflow) {
  h.Start(1, app, 1, "", "checkout", "my-request");
  h.Start(1, app, 2, "", "checkout", "my-request");
  h.Settle();
  EXPECT_EQ(app->started.at(1).workflow_id, app->started.at(2).workflow_id);
  EXPECT_EQ(h.storage.rows.size(), 1U);
  EXPECT_EQ(app->dispatched.size(), 1U);
}

TEST_F(StepsTest, AStartSentAgainLeavesItsWorkflowToTheProcessThatStillRunsIt) {
  auto caller = h.Open(2, 0);
  h.Start(2, caller, 1, "order-1", "checkout", "my-request");
  h.Settle();
  ASSERT_EQ(app->dispatched.size(), 1U);
  h.Restart({"process-1", "process-2"});
  caller = h.Open(2);
  h.Start(2, caller, 2, "order-1", "checkout", "my-request");
  h.Settle();
  EXPECT_TRUE(caller->started.at(2).created);
  EXPECT_TRUE(caller->dispatched.empty());
  h.Start(2, caller, 3, "order-2");  // what is new does not wait for anybody
  h.Settle();
  ASSERT_EQ(caller->dispatched.size(), 1U);
  EXPECT_EQ(caller->dispatched[0].execution.workflow_id, "order-2");
  auto back = h.Open(1, 10, {app->dispatched[0].execution});
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kAdopted);
}

TEST_F(StepsTest, AStartSentAgainAfterAllItsProcessesHaveGoneGoesOnWhereTheStepsEnd) {
  h.Start(1, app, 1, "order-1", "checkout", "my-request");
  h.Settle();
  h.Step(1, app, 2, app->dispatched[0].execution, 0);
  h.Settle();
  h.Restart(std::vector<std::string>{});
  auto stub = std::make_shared<RecordingSink>();
  h.Start(kNoSession, stub, 1, "order-1", "checkout", "my-request");
  h.Settle();
  auto again = h.Open(1);
  ASSERT_EQ(again->dispatched.size(), 1U);
  EXPECT_NE(again->dispatched[0].execution.owner_token, "my-request");
  EXPECT_EQ(again->dispatched[0].replay.size(), 1U);
}

TEST_F(StepsTest, AChildIsStartedWithTheParentsRecordAndADerivedId) {
  const ExecutionRef parent = StartOne();
  StartRequest request;
  request.name = "ship";
  request.parent = StartOp::Parent{parent, 3, 1, 1};
  h.engine->StartWorkflow(1, app, 30, std::move(request));
  h.Settle();
  EXPECT_EQ(app->started.at(30).workflow_id, "order-1-3");
  EXPECT_EQ(h.storage.rows.at("order-1").steps.at(3).child_workflow_id, "order-1-3");
  EXPECT_EQ(app->dispatched.back().parent_workflow_id, "order-1");
}

TEST_F(StepsTest, AFencedParentStartsNoChild) {
  const ExecutionRef parent = StartOne();
  h.storage.Steal("order-1");
  StartRequest request;
  request.name = "ship";
  request.parent = StartOp::Parent{parent, 3, 1, 1};
  h.engine->StartWorkflow(1, app, 30, std::move(request));
  h.Settle();
  EXPECT_EQ(app->refused.at(30).reason, Reason::kFenced);
  EXPECT_FALSE(h.storage.rows.contains("order-1-3"));
}

TEST_F(StepsTest, AnUnknownExecutionIsLeftToTheDatabasesFence) {
  const ExecutionRef ref = StartOne();
  h.Restart({"process-1"});
  auto stub = std::make_shared<RecordingSink>();
  h.Step(kNoSession, stub, 1, ref, 0);
  h.Step(kNoSession, stub, 2, {"nobody", "token"}, 0);
  h.Settle();
  EXPECT_EQ(stub->acknowledged, std::vector<std::uint64_t>{1});
  EXPECT_EQ(stub->refused.at(2).reason, Reason::kWorkflowNotFound);
}

TEST_F(StepsTest, ACompletionThatIsRepeatedWhileTheFirstIsBeingCommittedIsAcknowledgedToo) {
  const ExecutionRef ref = StartOne();
  auto stub = std::make_shared<RecordingSink>();
  h.Step(kNoSession, stub, 1, ref, 0);
  h.Complete(kNoSession, stub, 2, ref);
  Batch batch = h.engine->TakeBatch();
  h.Step(kNoSession, stub, 3, ref, 0);
  h.Complete(kNoSession, stub, 4, ref);
  ASSERT_TRUE(h.storage.Commit(batch).ok());
  h.engine->Committed(std::move(batch));
  h.Settle();
  EXPECT_EQ(stub->acknowledged, (std::vector<std::uint64_t>{1, 2, 3, 4}));
  EXPECT_EQ(h.engine->status().executions, 0U);
}

TEST_F(StepsTest, WithoutADatabaseUnaryCallersAreToldAtOnceAndSessionsWait) {
  const ExecutionRef ref = StartOne();
  h.engine->DatabaseFailed(absl::UnavailableError("connection refused"));
  auto stub = std::make_shared<RecordingSink>();
  h.Start(kNoSession, stub, 1, "order-2");
  h.Step(1, app, 10, ref, 0);
  EXPECT_EQ(stub->refused.at(1).reason, Reason::kDatabaseUnavailable);
  EXPECT_TRUE(app->refused.empty());
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{10});
  EXPECT_TRUE(h.engine->status().database_available);
}

}  // namespace
}  // namespace dbos::sidecar
