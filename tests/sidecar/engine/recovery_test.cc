// Processes and sidecars that go away, and what becomes of their executions.
#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

TEST(RecoveryTest, AnotherProcessTakesOverWithANewTokenAndTheRecordedSteps) {
  Harness h;
  auto first = h.Open(1);
  auto second = h.Open(2);
  h.Start(1, first, 1, "order-1");
  h.Settle();
  const ExecutionRef old = first->dispatched[0].execution;
  h.Step(1, first, 2, old, 0, "\"paid\"");
  h.Settle();
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  h.Settle();
  ASSERT_EQ(second->dispatched.size(), 1U);
  const auto& again = second->dispatched[0];
  EXPECT_NE(again.execution.owner_token, old.owner_token);
  EXPECT_EQ(again.recovery_attempts, 2);
  ASSERT_EQ(again.replay.size(), 1U);
  EXPECT_EQ(again.replay[0].outcome->payload.data, "\"paid\"");
  auto zombie = std::make_shared<RecordingSink>();
  h.Step(kNoSession, zombie, 9, old, 1);
  h.Settle();
  EXPECT_EQ(zombie->refused.at(9).reason, Reason::kFenced);
}

TEST(RecoveryTest, WithoutAnotherProcessTheExecutionWaitsInTheQueueForItsReturn) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  h.Settle();
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kEnqueued);
  auto back = h.Open(1);
  ASSERT_EQ(back->dispatched.size(), 1U);
  EXPECT_EQ(h.storage.rows.at("order-1").row.recovery_attempts, 2);
}

TEST(RecoveryTest, AProcessLostInTheMiddleOfACommitIsMovedOnlyWhenTheVerdictIsIn) {
  Harness h;
  auto first = h.Open(1);
  auto second = h.Open(2);
  h.Start(1, first, 1, "order-1");
  h.Settle();
  h.Step(1, first, 2, first->dispatched[0].execution, 0);
  Batch batch = h.engine->TakeBatch();
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  ASSERT_TRUE(h.storage.Commit(batch).ok());
  h.engine->Committed(std::move(batch));
  h.Settle();
  ASSERT_EQ(second->dispatched.size(), 1U);
  EXPECT_EQ(second->dispatched[0].replay.size(), 1U);
}

TEST(RecoveryTest, ALostConnectionKeepsTheExecutionForItsProcess) {
  Harness h;
  auto app = h.Open(1);
  auto other = h.Open(2);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  const ExecutionRef ref = app->dispatched[0].execution;
  h.engine->CloseSession(1, CloseCause::kConnectionLost);
  h.Settle();
  EXPECT_TRUE(other->dispatched.empty());
  auto back = h.Open(101, 10, {ref});
  ASSERT_EQ(back->reattached.size(), 1U);
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kAdopted);
  h.Complete(101, back, 2, ref);
  h.Settle();
  EXPECT_EQ(back->acknowledged, std::vector<std::uint64_t>{2});
}

TEST(RecoveryTest, WhatAProcessDoesNotListWhenItComesBackIsHandedToItAnewAtOnce) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "whole");
  h.Start(1, app, 2, "lost-on-the-way");
  h.Settle();
  const ExecutionRef whole = app->dispatched[0].execution;
  h.engine->CloseSession(1, CloseCause::kConnectionLost);
  h.Settle();
  auto back = h.Open(101, 10, {whole});
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kAdopted);
  ASSERT_EQ(back->dispatched.size(), 1U);
  EXPECT_EQ(back->dispatched[0].execution.workflow_id, "lost-on-the-way");
  EXPECT_NE(back->dispatched[0].execution.owner_token, app->dispatched[1].execution.owner_token);
  EXPECT_EQ(back->dispatched[0].recovery_attempts, 1);
}

TEST(RecoveryTest, WhatAnotherProcessLostWaitsForThatProcess) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.engine->CloseSession(1, CloseCause::kConnectionLost);
  auto other = h.Open(2);
  EXPECT_TRUE(other->dispatched.empty());
}

TEST(RecoveryTest, AnUnlistedExecutionWithAnOperationUnderWayIsHandedOverAfterTheVerdict) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.Step(1, app, 2, app->dispatched[0].execution, 0);
  Batch batch = h.engine->TakeBatch();
  h.engine->CloseSession(1, CloseCause::kConnectionLost);
  auto back = std::make_shared<RecordingSink>();
  h.OpenUnsettled(101, back);
  Batch greeting = h.engine->TakeBatch();
  for (Batch* next : {&batch, &greeting}) {
    ASSERT_TRUE(h.storage.Commit(*next).ok());
    h.engine->Committed(std::move(*next));
  }
  h.Settle();
  ASSERT_EQ(back->dispatched.size(), 1U);
  EXPECT_EQ(back->dispatched[0].replay.size(), 1U);
  EXPECT_EQ(back->dispatched[0].recovery_attempts, 1);
}

TEST(RecoveryTest, AnExecutionWhoseReplayWasNotSentCompletelyIsNotAdopted) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  for (std::int32_t i = 0; i < 25; ++i) h.storage.rows.at("order-1").steps[i] = {i, "charge", Outcome{}, "", 1, 1};
  h.storage.replay_page_steps = 10;
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  h.Settle();
  auto again = std::make_shared<RecordingSink>();
  h.OpenUnsettled(2, again);
  while (again->dispatched.empty()) ASSERT_TRUE(h.Round());
  EXPECT_FALSE(again->dispatched[0].replay_complete);
  h.engine->CloseSession(2, CloseCause::kConnectionLost);
  h.Settle();
  auto back = h.Open(102, 10, {again->dispatched[0].execution});
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kStale);
  ASSERT_EQ(back->dispatched.size(), 1U);
  std::size_t steps = back->dispatched[0].replay.size();
  for (const ReplayPage& page : back->pages) steps += page.steps.size();
  EXPECT_EQ(steps, 25U);
  EXPECT_TRUE(back->pages.back().last);
}

TEST(RecoveryTest, AProcessThatDoesNotComeBackInTimeLosesItsExecution) {
  Harness h;
  auto app = h.Open(1);
  auto other = h.Open(2);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  const ExecutionRef ref = app->dispatched[0].execution;
  h.engine->CloseSession(1, CloseCause::kConnectionLost);
  h.Advance(absl::Seconds(4));
  EXPECT_EQ(other->dispatched.size(), 1U);
  auto back = h.Open(101, 10, {ref});
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kStale);
}

TEST(RecoveryTest, ARestartedSidecarAdoptsWhatStillRunsAndRecoversTheRest) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "alive");
  h.Start(1, app, 2, "forgotten");
  h.Settle();
  const ExecutionRef alive = app->dispatched[0].execution;
  h.Restart({"process-1"});
  h.Advance(absl::Seconds(1));
  EXPECT_EQ(h.storage.rows.at("alive").row.status, WorkflowStatus::kPending);
  auto back = h.Open(1, 10, {alive});
  h.Settle();
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kAdopted);
  EXPECT_EQ(h.storage.rows.at("alive").row.owner_token, alive.owner_token);
  ASSERT_EQ(back->dispatched.size(), 1U);
  EXPECT_EQ(back->dispatched[0].execution.workflow_id, "forgotten");
}

TEST(RecoveryTest, WithNoProcessLeftOverRecoveryDoesNotWait) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.Restart(std::vector<std::string>{});
  h.Settle();
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kEnqueued);
}

TEST(RecoveryTest, AProcessThatIsExpectedButNeverComesIsGivenUpAfterTheGrace) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.Restart({"process-1"});
  h.Advance(absl::Seconds(2));
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kPending);
  h.Advance(absl::Seconds(2));
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kEnqueued);
}

TEST(RecoveryTest, TooManyAttemptsEndInTheDeadLetterState) {
  Harness h;
  h.max_recovery_attempts = 1;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  auto waiting = std::make_shared<RecordingSink>();
  h.Await(kNoSession, waiting, 5, "order-1");
  for (int life = 0; life < 2; ++life) {
    h.engine->CloseSession(1, CloseCause::kProcessGone);
    h.Settle();
    app = h.Open(1);
  }
  h.Settle();
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kMaxRecoveryAttemptsExceeded);
  EXPECT_EQ(waiting->awaited.at(5).status, WorkflowStatus::kMaxRecoveryAttemptsExceeded);
}

TEST(RecoveryTest, AHungProcessIsCutOffAndItsWorkGoesOnElsewhere) {
  Harness h;
  auto hung = h.Open(1);
  auto other = h.Open(2);
  h.Start(1, hung, 1, "order-1");
  h.Settle();
  for (int i = 0; i < 25; ++i) {
    h.engine->Heard(2);
    h.Advance(absl::Milliseconds(450));
  }
  EXPECT_GT(hung->pings, 10);
  EXPECT_EQ(hung->fatal.reason, Reason::kDisconnected);
  EXPECT_EQ(other->dispatched.size(), 1U);
  EXPECT_TRUE(other->fatal.ok());
}

TEST(RecoveryTest, ASidecarThatWasStoppedBlamesNobodyForTheSilence) {
  Harness h;
  auto app = h.Open(1);
  auto lost = h.Open(2);
  h.Start(1, app, 1, "order-1");
  h.Start(2, lost, 1, "order-2");
  h.Settle();
  h.engine->CloseSession(2, CloseCause::kConnectionLost);
  h.Stall(absl::Seconds(30));
  EXPECT_TRUE(app->fatal.ok());
  auto back = h.Open(102, 10, {lost->dispatched[0].execution});
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kAdopted);
  EXPECT_EQ(app->dispatched.size(), 1U);
  for (int i = 0; i < 11; ++i) h.Advance(absl::Seconds(1));  // from here on silence counts
  EXPECT_EQ(app->fatal.reason, Reason::kDisconnected);
}

TEST(RecoveryTest, AReleasedExecutionGoesBackWithoutCountingAnAttempt) {
  Harness h;
  auto app = h.Open(1, 1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.engine->DrainSession(1);
  auto stub = std::make_shared<RecordingSink>();
  h.engine->ReleaseExecution(stub, 7, app->dispatched[0].execution);
  h.Settle();
  EXPECT_EQ(stub->acknowledged, std::vector<std::uint64_t>{7});
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kEnqueued);
  EXPECT_EQ(h.storage.rows.at("order-1").row.recovery_attempts, 0);
}

TEST(RecoveryTest, AReleaseWaitsForWhatWasAskedBeforeIt) {
  for (const bool closed : {false, true}) {
    Harness h;
    auto app = h.Open(1);
    h.Start(1, app, 1, "order-1");
    h.Settle();
    const ExecutionRef ref = app->dispatched[0].execution;
    h.Step(1, app, 2, ref, 0);
    Batch batch = h.engine->TakeBatch();
    h.engine->DrainSession(1);
    h.engine->ReleaseExecution(app, 3, ref);
    h.engine->ReleaseExecution(app, 4, ref);
    h.Step(1, app, 5, ref, 1);
    if (closed) h.engine->CloseSession(1, CloseCause::kProcessGone);
    ASSERT_TRUE(h.storage.Commit(batch).ok());
    h.engine->Committed(std::move(batch));
    h.Settle();
    EXPECT_EQ(app->acknowledged, (std::vector<std::uint64_t>{2, 3}));
    EXPECT_EQ(app->refused.at(4).reason, Reason::kFenced);
    EXPECT_EQ(app->refused.at(5).reason, Reason::kFenced);
    EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kEnqueued);
    EXPECT_EQ(h.storage.rows.at("order-1").row.recovery_attempts, 0);
  }
}

TEST(RecoveryTest, AReleaseBehindACompletionIsAnsweredToo) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.Complete(1, app, 2, app->dispatched[0].execution);
  h.engine->ReleaseExecution(app, 3, app->dispatched[0].execution);
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{2});
  EXPECT_EQ(app->refused.at(3).reason, Reason::kWorkflowTerminal);
}

TEST(RecoveryTest, RecoveryComesAlsoWhenEveryBatchIsTakenBeforeTheLastOneIsAnswered) {
  Harness h;
  auto gone = h.Open(9);
  h.Start(9, gone, 1, "lost");
  h.Settle();
  h.Restart({"process-9"});
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Start(1, app, 2, "order-2");
  h.Settle();
  Batch sent;
  for (std::int32_t i = 0; i < 20; ++i) {
    h.now += absl::Milliseconds(400);
    h.engine->Tick(h.now, h.wall_ms);
    h.engine->Heard(1);
    h.Step(1, app, static_cast<std::uint64_t>(10 + i), app->dispatched[i % 2 == 0 ? 0 : 1].execution, i / 2);
    Batch next = h.engine->TakeBatch();
    if (!sent.empty()) {
      ASSERT_TRUE(h.storage.Commit(sent).ok());
      h.engine->Committed(std::move(sent));
    }
    sent = std::move(next);
  }
  EXPECT_EQ(h.storage.rows.at("lost").row.status, WorkflowStatus::kEnqueued);
}

TEST(RecoveryTest, DrainHandsBackWhatDoesNotFinishAndEndsTheSessions) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "slow");
  h.Start(1, app, 2, "quick");
  h.Settle();
  h.engine->Drain(absl::Seconds(5));
  EXPECT_EQ(app->drains, 1);
  h.Complete(1, app, 3, app->dispatched[1].execution);
  h.Settle();
  EXPECT_FALSE(h.engine->Drained());
  h.engine->Heard(1);
  h.Advance(absl::Seconds(6));
  EXPECT_TRUE(h.engine->Drained());
  EXPECT_EQ(h.storage.rows.at("slow").row.status, WorkflowStatus::kEnqueued);
  EXPECT_EQ(h.storage.rows.at("quick").row.status, WorkflowStatus::kSuccess);
  EXPECT_EQ(app->fatal.reason, Reason::kDraining);
}

TEST(RecoveryTest, AShorterDrainShortensTheOneUnderWayAndALongerOneChangesNothing) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "slow");
  h.Settle();
  h.engine->Drain(absl::Hours(1));
  h.engine->Drain(absl::Seconds(5));
  EXPECT_EQ(app->drains, 2) << "the process is told the new time";
  h.engine->Drain(absl::Hours(2));
  EXPECT_EQ(app->drains, 2);
  h.Advance(absl::Seconds(6));
  EXPECT_TRUE(h.engine->Drained());
  EXPECT_EQ(h.storage.rows.at("slow").row.status, WorkflowStatus::kEnqueued);
}

TEST(RecoveryTest, ACancelReachesTheProcessAndRefusesItsQueue) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  auto caller = std::make_shared<RecordingSink>();
  h.engine->CancelWorkflow(caller, 1, "order-1");
  h.Settle();
  EXPECT_EQ(caller->acknowledged, std::vector<std::uint64_t>{1});
  ASSERT_EQ(app->cancelled.size(), 1U);
  h.Step(1, app, 2, app->dispatched[0].execution, 0);
  h.Settle();
  EXPECT_EQ(app->refused.at(2).reason, Reason::kWorkflowCancelled);
}

// Committed again, a recovery would take what the batch behind it has started.
TEST(RecoveryTest, NoBatchIsUnderWayBesideARecovery) {
  Harness h;
  const auto sink = h.Open(1);
  h.Start(1, sink, 1, "left-over");
  h.Settle();
  h.Restart();
  h.Leap(absl::Seconds(4));
  Batch recovery = h.engine->TakeBatch();
  ASSERT_EQ(recovery.recoveries.size(), 1U);
  h.Start(kNoSession, sink, 2, "new");
  EXPECT_TRUE(h.engine->TakeBatch().empty());
  ASSERT_TRUE(h.storage.Commit(recovery).ok());
  h.engine->Committed(std::move(recovery));
  EXPECT_EQ(h.engine->TakeBatch().starts.size(), 1U);
}

}  // namespace
}  // namespace dbos::sidecar
