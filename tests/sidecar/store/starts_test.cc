#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using StartsTest = StoreTest;

TEST_P(StartsTest, FirstStartCreatesTheWorkflowAndItsInput) {
  const StartOp op = CommitOne(&Batch::starts, Start("order-1", "token-1"));
  EXPECT_TRUE(op.error.ok()) << op.error.message;
  EXPECT_TRUE(op.created);
  EXPECT_EQ(op.status, WorkflowStatus::kPending);
  EXPECT_EQ(op.owner_token, "token-1");
  EXPECT_EQ(Row("order-1"), "PENDING,token-1,1");
  EXPECT_THAT(Select("inputs", "workflow_input", "order-1"), ElementsAre(R"({"positionalArgs":[1]})"));
  EXPECT_THAT(
      Select("name, executor_id, application_version, application_name, creator_xid, serialization, class_name, "
             "config_name, queue_name, inputs, priority, started_at_epoch_ms, authenticated_roles",
             "workflow_status", "order-1"),
      ElementsAre("checkout,executor-1,shop-1,shop,token-1,portable_json,-,-,-,-,0,-,[]"));
}

TEST_P(StartsTest, SameStartAgainRecognisesItself) {
  Begin("order-1");
  const StartOp again = CommitOne(&Batch::starts, Start("order-1", "token-1"));
  EXPECT_TRUE(again.created);
  EXPECT_EQ(Row("order-1"), "PENDING,token-1,1");
}

TEST_P(StartsTest, AStartThatLooksFirstTellsWhetherTheWorkflowExisted) {
  StartOp start = Start("order-1", "token-1");
  EXPECT_FALSE(CommitOne(&Batch::starts, start).existed);
  EXPECT_FALSE(CommitOne(&Batch::starts, start).existed);
  start.look_first = true;
  EXPECT_TRUE(CommitOne(&Batch::starts, start).existed);
  start.workflow_id = "order-2";
  EXPECT_FALSE(CommitOne(&Batch::starts, start).existed);
}

TEST_P(StartsTest, TheSameStartThroughAnotherSidecarIsNotItsToRun) {
  Begin("order-1");
  const auto other = OpenAs("executor-2", kApplication, StorageRole::kWriter);
  Batch batch;
  batch.starts.push_back(Start("order-1", "token-1"));
  ASSERT_TRUE(other->Commit(batch).ok());
  EXPECT_TRUE(batch.starts[0].created);
  EXPECT_EQ(batch.starts[0].owner_token, "");
}

TEST_P(StartsTest, AnotherStartOfTheSameIdGetsTheExistingWorkflow) {
  Begin("order-1");
  StartOp other = Start("order-1", "token-2");
  other.input.data = "{}";
  const StartOp op = CommitOne(&Batch::starts, other);
  EXPECT_TRUE(op.error.ok());
  EXPECT_FALSE(op.created);
  EXPECT_EQ(op.status, WorkflowStatus::kPending);
  EXPECT_EQ(Row("order-1"), "PENDING,token-1,1");
  EXPECT_THAT(Select("inputs", "workflow_input", "order-1"), ElementsAre(R"({"positionalArgs":[1]})"));
}

TEST_P(StartsTest, NobodyElsesWorkflowGetsAnInputWhereItsOwnIsGone) {
  Begin("order-1");
  DeleteInput("order-1");
  EXPECT_FALSE(CommitOne(&Batch::starts, Start("order-1", "token-2")).created);
  EXPECT_THAT(Select("inputs", "workflow_input", "order-1"), IsEmpty());
}

TEST_P(StartsTest, AWorkflowThatIsCalledAsItsRequestIsWrittenOnce) {
  for (int n = 0; n < 2; ++n) {
    StartOp start = Start("token-1", "token-1");
    EXPECT_TRUE(CommitOne(&Batch::starts, start).created);
    EXPECT_THAT(Select("inputs", "workflow_input", "token-1"), ElementsAre(R"({"positionalArgs":[1]})"));
  }
  EXPECT_EQ(Row("token-1"), "PENDING,token-1,1");
}

TEST_P(StartsTest, SameIdWithAnotherNameIsAConflictThatShowsBothNames) {
  Begin("order-1");
  StartOp other = Start("order-1", "token-2");
  other.name = "refund";
  const StartOp op = CommitOne(&Batch::starts, other);
  EXPECT_EQ(op.error.reason, Reason::kWorkflowConflict);
  EXPECT_THAT(op.error.message, HasSubstr("checkout"));
  EXPECT_THAT(op.error.message, HasSubstr("refund"));
}

TEST_P(StartsTest, TimeoutSetsTheDeadlineOfARunningWorkflowOnly) {
  StartOp now = Start("now", "token-1");
  now.timeout_ms = 5000;
  EXPECT_GT(CommitOne(&Batch::starts, now).deadline_ms, 0);
  StartOp later = Enqueued("later");
  later.timeout_ms = 5000;
  EXPECT_EQ(CommitOne(&Batch::starts, later).deadline_ms, 0);
  EXPECT_THAT(Select("workflow_timeout_ms, workflow_deadline_epoch_ms - created_at", "workflow_status", "now"),
              ElementsAre("5000,5000"));
}

TEST_P(StartsTest, EnqueuedStartHasNoOwnerAndNoExecutor) {
  const StartOp op = CommitOne(&Batch::starts, Enqueued("order-1"));
  EXPECT_TRUE(op.created);
  EXPECT_EQ(op.status, WorkflowStatus::kEnqueued);
  EXPECT_THAT(Select("status, owner_xid, executor_id, queue_name, recovery_attempts", "workflow_status", "order-1"),
              ElementsAre("ENQUEUED,-,,_dbos_internal_queue,0"));
}

TEST_P(StartsTest, ChildStartsWithItsParentsRecordInOneCommit) {
  const ExecutionRef parent = Begin("order-1");
  const StartOp op = CommitOne(&Batch::starts, Child("order-1-0", parent, 0));
  EXPECT_TRUE(op.error.ok()) << op.error.message;
  EXPECT_TRUE(op.created);
  EXPECT_EQ(Row("order-1-0"), "PENDING,token-of-order-1-0,1");
  EXPECT_THAT(Select("function_id, function_name, child_workflow_id, output, error, serialization, application_name, "
                     "started_at_epoch_ms, completed_at_epoch_ms",
                     "operation_outputs", "order-1"),
              ElementsAre("0,charge,order-1-0,-,-,-,shop,1000,1001"));
  EXPECT_THAT(Select("parent_workflow_id", "workflow_status", "order-1-0"), ElementsAre("order-1"));
}

TEST_P(StartsTest, SameChildStartAgainChangesNothing) {
  const ExecutionRef parent = Begin("order-1");
  CommitOne(&Batch::starts, Child("order-1-0", parent, 0));
  const StartOp again = CommitOne(&Batch::starts, Child("order-1-0", parent, 0));
  EXPECT_TRUE(again.error.ok()) << again.error.message;
  EXPECT_TRUE(again.created);
  EXPECT_EQ(StepRows("order-1").size(), 1);
}

TEST_P(StartsTest, ChildStartWhoseAnswerWasLostSucceedsAfterTheParentChangedHands) {
  const ExecutionRef parent = Begin("order-1");
  CommitOne(&Batch::starts, Child("order-1-0", parent, 0));
  CommitOne(&Batch::take_overs, TakeOver(parent, "token-2"));
  const StartOp again = CommitOne(&Batch::starts, Child("order-1-0", parent, 0));
  EXPECT_TRUE(again.error.ok()) << again.error.message;
  EXPECT_TRUE(again.created);
}

TEST_P(StartsTest, FencedParentStartsNoChild) {
  Begin("order-1");
  const StartOp op = CommitOne(&Batch::starts, Child("order-1-0", {"order-1", "stale"}, 0));
  EXPECT_EQ(op.error.reason, Reason::kFenced);
  EXPECT_EQ(Row("order-1-0"), "");
  EXPECT_THAT(StepRows("order-1"), IsEmpty());
}

TEST_P(StartsTest, MissingParentStartsNoChild) {
  EXPECT_EQ(CommitOne(&Batch::starts, Child("c", {"nobody", "t"}, 0)).error.reason, Reason::kWorkflowNotFound);
  EXPECT_EQ(Row("c"), "");
}

TEST_P(StartsTest, ChildWhereAnotherStepIsRecordedIsAMismatchAndStartsNothing) {
  const ExecutionRef parent = Begin("order-1");
  CommitOne(&Batch::steps, Step(parent, 0, "reserve", "1"));
  const StartOp op = CommitOne(&Batch::starts, Child("order-1-0", parent, 0));
  EXPECT_EQ(op.error.reason, Reason::kStepMismatch);
  EXPECT_THAT(op.error.message, HasSubstr("reserve"));
  EXPECT_THAT(op.error.message, HasSubstr("charge"));
  EXPECT_EQ(Row("order-1-0"), "");
}

TEST_P(StartsTest, ChildIdOfAnotherWorkflowLeavesNoRecordInTheParent) {
  const ExecutionRef parent = Begin("order-1");
  Begin("taken", "token-9");
  const StartOp op = CommitOne(&Batch::starts, Child("taken", parent, 0));
  EXPECT_EQ(op.error.reason, Reason::kWorkflowConflict);
  EXPECT_THAT(StepRows("order-1"), IsEmpty());
}

TEST_P(StartsTest, ChildInheritsTheParentsDeadlineUnlessItHasATimeout) {
  StartOp parent = Start("order-1", "token-1");
  parent.timeout_ms = 60'000;
  const std::int64_t deadline = CommitOne(&Batch::starts, parent).deadline_ms;
  EXPECT_EQ(CommitOne(&Batch::starts, Child("a", {"order-1", "token-1"}, 0)).deadline_ms, deadline);
  StartOp own = Child("b", {"order-1", "token-1"}, 1);
  own.timeout_ms = 1;
  EXPECT_LT(CommitOne(&Batch::starts, own).deadline_ms, deadline);
}

INSTANTIATE_OVER_DATABASES(StartsTest);

}  // namespace
}  // namespace dbos::sidecar
