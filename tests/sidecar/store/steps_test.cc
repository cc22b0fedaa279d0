#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using StepsTest = StoreTest;

TEST_P(StepsTest, OwnerRecordsAValueAndAnError) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::steps, Step(execution, 0, "reserve", "42"));
  StepOp failed = Step(execution, 1, "charge", R"({"name":"Error","message":"no"})");
  failed.step.outcome->kind = Outcome::Kind::kError;
  EXPECT_TRUE(CommitOne(&Batch::steps, failed).error.ok());
  EXPECT_THAT(StepRows("order-1"),
              ElementsAre("0,reserve,42,-,2001", R"(1,charge,-,{"name":"Error","message":"no"},2001)"));
  EXPECT_THAT(Select("serialization, application_name, started_at_epoch_ms", "operation_outputs", "order-1"),
              ElementsAre("portable_json,shop,2000", "portable_json,shop,2000"));
}

TEST_P(StepsTest, ManyStepsOfManyWorkflowsGoInTogether) {
  Batch batch;
  for (int n = 0; n < 50; ++n) batch.steps.push_back(Step(Begin("w" + std::to_string(n)), 0, "reserve", "1"));
  Commit(batch);
  for (const StepOp& op : batch.steps) EXPECT_TRUE(op.error.ok()) << op.error.message;
  EXPECT_THAT(database_->Query("SELECT COUNT(*) FROM " + database_->Table("operation_outputs")), ElementsAre("50"));
}

TEST_P(StepsTest, OwnRetryIsASuccessAndKeepsTheFirstRecord) {
  const ExecutionRef execution = Begin("order-1");
  const StepOp op = Step(execution, 0, "reserve", "42");
  CommitOne(&Batch::steps, op);
  EXPECT_TRUE(CommitOne(&Batch::steps, op).error.ok());
  StepOp later = op;  // the same answer under another time
  later.step.completed_at_ms = 9999;
  EXPECT_TRUE(CommitOne(&Batch::steps, later).error.ok());
  EXPECT_THAT(StepRows("order-1"), ElementsAre("0,reserve,42,-,2001"));
}

TEST_P(StepsTest, AnotherNameIsAMismatchThatShowsBothNames) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::steps, Step(execution, 0, "reserve", "42"));
  for (const std::int64_t completed_at_ms : {2001, 3000}) {
    StepOp other = Step(execution, 0, "charge", "42");
    other.step.completed_at_ms = completed_at_ms;
    other = CommitOne(&Batch::steps, other);
    EXPECT_EQ(other.error.reason, Reason::kStepMismatch);
    EXPECT_THAT(other.error.message, HasSubstr("\"reserve\""));
    EXPECT_THAT(other.error.message, HasSubstr("\"charge\""));
  }
}

TEST_P(StepsTest, AnotherValueIsRefusedAndTheFirstStands) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::steps, Step(execution, 0, "reserve", "42"));
  StepOp other = Step(execution, 0, "reserve", "43");
  other.step.completed_at_ms = 3000;
  EXPECT_EQ(CommitOne(&Batch::steps, other).error.reason, Reason::kStepAlreadyRecorded);
  EXPECT_THAT(StepRows("order-1"), ElementsAre("0,reserve,42,-,2001"));
}

TEST_P(StepsTest, WrongTokenWritesNothing) {
  Begin("order-1");
  const StepOp op = CommitOne(&Batch::steps, Step({"order-1", "stale"}, 0, "reserve", "42"));
  EXPECT_EQ(op.error.reason, Reason::kFenced);
  EXPECT_THAT(StepRows("order-1"), IsEmpty());
}

TEST_P(StepsTest, CancelledEndedAndUnknownWorkflowsRefuseStepsWithTheirReason) {
  const ExecutionRef cancelled = Begin("cancelled");
  CommitOne(&Batch::cancels, CancelOp{"cancelled"});
  const ExecutionRef ended = Begin("ended");
  CommitOne(&Batch::completions, Completion(ended, "1"));
  EXPECT_EQ(CommitOne(&Batch::steps, Step(cancelled, 0, "s", "1")).error.reason, Reason::kWorkflowCancelled);
  EXPECT_EQ(CommitOne(&Batch::steps, Step(ended, 0, "s", "1")).error.reason, Reason::kWorkflowTerminal);
  EXPECT_EQ(CommitOne(&Batch::steps, Step({"nobody", "t"}, 0, "s", "1")).error.reason, Reason::kWorkflowNotFound);
}

TEST_P(StepsTest, RetryOfARecordedStepSucceedsAfterTheWorkflowChangedHands) {
  const ExecutionRef execution = Begin("order-1");
  const StepOp op = Step(execution, 0, "reserve", "42");
  CommitOne(&Batch::steps, op);
  CommitOne(&Batch::take_overs, TakeOver(execution, "token-2"));
  EXPECT_TRUE(CommitOne(&Batch::steps, op).error.ok());
  StepOp other = op;
  other.step.completed_at_ms = 3000;
  EXPECT_EQ(CommitOne(&Batch::steps, other).error.reason, Reason::kFenced);
}

TEST_P(StepsTest, PoisonedStepFailsAloneAndTheOthersAreWritten) {
  RefuseStepsNamed("poison");
  Batch batch;
  const ExecutionRef bad = Begin("bad");
  batch.steps.push_back(Step(Begin("a"), 0, "reserve", "1"));
  batch.steps.push_back(Step(bad, 0, "poison", "1"));
  batch.steps.push_back(Step(Begin("b"), 0, "reserve", "1"));
  batch.completions.push_back(Completion(bad, "1"));
  batch.completions[0].after_step_id = 0;
  batch.completions[0].after_completed_at_ms = 2001;
  batch.starts.push_back(Start("c", "token-c"));
  Commit(batch);
  EXPECT_TRUE(batch.steps[0].error.ok());
  EXPECT_EQ(batch.steps[1].error.reason, Reason::kDatabaseError);
  EXPECT_THAT(batch.steps[1].error.message, HasSubstr("refuse"));
  EXPECT_TRUE(batch.steps[2].error.ok());
  EXPECT_FALSE(batch.completions[0].error.ok());
  EXPECT_TRUE(batch.starts[0].created);
  EXPECT_EQ(Row("bad"), "PENDING,token-1,1");
  EXPECT_EQ(StepRows("b").size(), 1);
}

TEST_P(StepsTest, WhatIsNotStoredIsNeverAnsweredAsDurable) {
  const ExecutionRef execution = Begin("a");
  LoseStepsNamed("charge");
  EXPECT_EQ(CommitOne(&Batch::steps, Step(execution, 0, "charge", "1")).error.reason, Reason::kDatabaseError);
  EXPECT_EQ(CommitOne(&Batch::steps, Step(execution, 0, "ship", "1")).error.reason, Reason::kNone);
}

INSTANTIATE_OVER_DATABASES(StepsTest);

}  // namespace
}  // namespace dbos::sidecar
