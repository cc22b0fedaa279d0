#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using CompletionsTest = StoreTest;

TEST_P(CompletionsTest, OwnerCompletesWithAValueOrAnError) {
  EXPECT_TRUE(CommitOne(&Batch::completions, Completion(Begin("good"), "7")).error.ok());
  CompletionOp failed = Completion(Begin("bad"), R"({"name":"E","message":"m"})");
  failed.outcome.kind = Outcome::Kind::kError;
  EXPECT_EQ(CommitOne(&Batch::completions, failed).status, WorkflowStatus::kError);
  EXPECT_EQ(Row("good"), "SUCCESS,-,1");
  EXPECT_EQ(Row("bad"), "ERROR,-,1");
  EXPECT_THAT(OutcomeRows("good"), ElementsAre("7,-"));
  EXPECT_THAT(OutcomeRows("bad"), ElementsAre(R"(-,{"name":"E","message":"m"})"));
  EXPECT_THAT(
      Select("completed_at = updated_at, deduplication_id, output, executor_id", "workflow_status", "good").size(), 1);
}

TEST_P(CompletionsTest, SameCompletionAgainIsASuccess) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::completions, Completion(execution, "7"));
  const CompletionOp again = CommitOne(&Batch::completions, Completion(execution, "7"));
  EXPECT_TRUE(again.error.ok()) << again.error.message;
  EXPECT_EQ(again.status, WorkflowStatus::kSuccess);
}

TEST_P(CompletionsTest, AnotherOutcomeOfAnEndedWorkflowGetsTheRecordedOne) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::completions, Completion(execution, "7"));
  const CompletionOp other = CommitOne(&Batch::completions, Completion({"order-1", "token-2"}, "8"));
  EXPECT_EQ(other.error.reason, Reason::kWorkflowTerminal);
  EXPECT_EQ(other.status, WorkflowStatus::kSuccess);
  ASSERT_TRUE(other.stored.has_value());
  EXPECT_EQ(other.stored->payload.data, "7");
  EXPECT_THAT(OutcomeRows("order-1"), ElementsAre("7,-"));
}

TEST_P(CompletionsTest, WrongTokenWritesNoOutcome) {
  Begin("order-1");
  const CompletionOp op = CommitOne(&Batch::completions, Completion({"order-1", "stale"}, "8"));
  EXPECT_EQ(op.error.reason, Reason::kFenced);
  EXPECT_EQ(op.status, WorkflowStatus::kPending);
  EXPECT_EQ(Row("order-1"), "PENDING,token-1,1");
  EXPECT_THAT(OutcomeRows("order-1"), IsEmpty());
}

TEST_P(CompletionsTest, CancelledWorkflowKeepsItsStatusAndGetsNoOutcome) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::cancels, CancelOp{"order-1"});
  EXPECT_EQ(CommitOne(&Batch::completions, Completion(execution, "8")).error.reason, Reason::kWorkflowCancelled);
  EXPECT_THAT(OutcomeRows("order-1"), IsEmpty());
}

TEST_P(CompletionsTest, LastStepAndOutcomeGoInTogetherAndCanBeRepeated) {
  const ExecutionRef execution = Begin("order-1");
  for (int times = 0; times < 2; ++times) {
    Batch batch;
    batch.steps.push_back(Step(execution, 0, "reserve", "1"));
    batch.completions.push_back(Completion(execution, "7"));
    batch.completions[0].after_step_id = 0;
    batch.completions[0].after_completed_at_ms = 2001;
    Commit(batch);
    EXPECT_TRUE(batch.steps[0].error.ok()) << batch.steps[0].error.message;
    EXPECT_TRUE(batch.completions[0].error.ok()) << batch.completions[0].error.message;
    EXPECT_EQ(Row("order-1"), "SUCCESS,-,1");
  }
}

TEST_P(CompletionsTest, RepeatedLastStepUnderAnotherTimeIsKnownByItsBytes) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::steps, Step(execution, 0, "reserve", "1"));
  CommitOne(&Batch::completions, Completion(execution, "7"));
  StepOp repeated = Step(execution, 0, "reserve", "1");
  repeated.step.completed_at_ms = 3000;
  EXPECT_EQ(CommitOne(&Batch::steps, repeated).error.reason, Reason::kWorkflowTerminal) << "its process must stop";
  repeated.outcome_follows = true;
  EXPECT_TRUE(CommitOne(&Batch::steps, repeated).error.ok());
  StepOp other = Step(execution, 0, "reserve", "2");
  other.outcome_follows = true;
  EXPECT_EQ(CommitOne(&Batch::steps, other).error.reason, Reason::kWorkflowTerminal);
}

TEST_P(CompletionsTest, RefusedLastStepHoldsTheOutcomeBack) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::steps, Step(execution, 0, "charge", "1"));
  for (const std::int64_t completed_at_ms : {2001, 3000}) {
    Batch batch;
    batch.steps.push_back(Step(execution, 0, "reserve", "1"));
    batch.steps[0].step.completed_at_ms = completed_at_ms;
    batch.completions.push_back(Completion(execution, "7"));
    batch.completions[0].after_step_id = 0;
    batch.completions[0].after_completed_at_ms = completed_at_ms;
    Commit(batch);
    EXPECT_EQ(batch.steps[0].error.reason, Reason::kStepMismatch);
    EXPECT_EQ(batch.completions[0].error.reason, Reason::kPrecedingOperationFailed);
    EXPECT_EQ(Row("order-1"), "PENDING,token-1,1");
    EXPECT_THAT(OutcomeRows("order-1"), IsEmpty());
  }
}

TEST_P(CompletionsTest, LastStepRecordedUnderAnotherTimeWithTheSameValueDoesNotHoldTheOutcomeBack) {
  const ExecutionRef execution = Begin("order-1");
  CommitOne(&Batch::steps, Step(execution, 0, "reserve", "1"));
  Batch batch;
  batch.steps.push_back(Step(execution, 0, "reserve", "1"));
  batch.steps[0].step.completed_at_ms = 3000;
  batch.completions.push_back(Completion(execution, "7"));
  batch.completions[0].after_step_id = 0;
  batch.completions[0].after_completed_at_ms = 3000;
  Commit(batch);
  EXPECT_TRUE(batch.steps[0].error.ok());
  EXPECT_TRUE(batch.completions[0].error.ok()) << batch.completions[0].error.message;
  EXPECT_EQ(Row("order-1"), "SUCCESS,-,1");
}

TEST_P(CompletionsTest, OutcomeInAnotherFormatThanTheInputIsReadBackInItsOwn) {
  StartOp start = Start("order-1", "token-1");
  start.input.serialization = "js_superjson";
  CommitOne(&Batch::starts, start);
  CommitOne(&Batch::completions, Completion({"order-1", "token-1"}, "7"));
  const auto workflow = reader_->ReadWorkflow("order-1");
  ASSERT_TRUE(workflow.ok() && workflow->has_value()) << workflow.status();
  EXPECT_EQ((*workflow)->outcome->payload.serialization, "portable_json");
}

INSTANTIATE_OVER_DATABASES(CompletionsTest);

}  // namespace
}  // namespace dbos::sidecar
