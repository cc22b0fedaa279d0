#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class OwnershipTest : public StoreTest {
 protected:
  static ClaimOp Claim(std::vector<std::string> ids, const std::string& token) {
    ClaimOp op;
    op.workflow_ids = std::move(ids);
    op.owner_token = token;
    op.application_version = "shop-1";
    return op;
  }
  static std::vector<std::string> Ids(const ClaimOp& op) {
    std::vector<std::string> ids;
    for (const WorkflowRecord& workflow : op.claimed) ids.push_back(workflow.workflow_id);
    return ids;
  }
};

TEST_P(OwnershipTest, ClaimTakesEnqueuedWorkflowsAndCountsAnAttempt) {
  StartOp start = Enqueued("a");
  start.timeout_ms = 5000;
  CommitOne(&Batch::starts, start);
  const ClaimOp op = CommitOne(&Batch::claims, Claim({"a", "nobody"}, "claim-1"));
  ASSERT_THAT(Ids(op), ElementsAre("a"));
  EXPECT_EQ(op.claimed[0].status, WorkflowStatus::kPending);
  EXPECT_EQ(op.claimed[0].recovery_attempts, 1);
  EXPECT_EQ(Row("a"), "PENDING,claim-1,1");
  EXPECT_THAT(Select("executor_id, application_name, workflow_deadline_epoch_ms - started_at_epoch_ms, rate_limited",
                     "workflow_status", "a")[0],
              testing::StartsWith("executor-1,shop,5000,"));
}

TEST_P(OwnershipTest, SameClaimAgainGetsTheSameRowsWithoutCounting) {
  CommitOne(&Batch::starts, Enqueued("a"));
  CommitOne(&Batch::claims, Claim({"a"}, "claim-1"));
  EXPECT_THAT(Ids(CommitOne(&Batch::claims, Claim({"a"}, "claim-1"))), ElementsAre("a"));
  EXPECT_EQ(Row("a"), "PENDING,claim-1,1");
}

TEST_P(OwnershipTest, AnotherClaimGetsNothing) {
  CommitOne(&Batch::starts, Enqueued("a"));
  CommitOne(&Batch::claims, Claim({"a"}, "claim-1"));
  EXPECT_THAT(Ids(CommitOne(&Batch::claims, Claim({"a"}, "claim-2"))), IsEmpty());
  EXPECT_EQ(Row("a"), "PENDING,claim-1,1");
}

TEST_P(OwnershipTest, TwoClaimsInOneBatchGetTheirOwnRows) {
  CommitOne(&Batch::starts, Enqueued("a"));
  CommitOne(&Batch::starts, Enqueued("b"));
  Batch batch;
  batch.claims = {Claim({"a"}, "claim-1"), Claim({"b"}, "claim-2")};
  Commit(batch);
  EXPECT_THAT(Ids(batch.claims[0]), ElementsAre("a"));
  EXPECT_THAT(Ids(batch.claims[1]), ElementsAre("b"));
}

TEST_P(OwnershipTest, ClaimLeavesAnotherApplicationsWorkflows) {
  const auto other = OpenAs("executor-2", "bank", StorageRole::kWriter);
  Batch batch;
  batch.starts.push_back(Enqueued("a"));
  ASSERT_TRUE(other->Commit(batch).ok());
  EXPECT_THAT(Ids(CommitOne(&Batch::claims, Claim({"a"}, "claim-1"))), IsEmpty());
}

TEST_P(OwnershipTest, TakeOverGivesANewTokenAndCountsOnce) {
  const ExecutionRef execution = Begin("a");
  for (int times = 0; times < 2; ++times) {
    const TakeOverOp op = CommitOne(&Batch::take_overs, TakeOver(execution, "token-2"));
    EXPECT_TRUE(op.taken);
    EXPECT_EQ(op.recovery_attempts, 2);
    EXPECT_EQ(Row("a"), "PENDING,token-2,2");
  }
  EXPECT_FALSE(CommitOne(&Batch::take_overs, TakeOver(execution, "token-3")).taken);
  TakeOverOp graceful = TakeOver({"a", "token-2"}, "token-4");
  graceful.count_attempt = false;
  EXPECT_EQ(CommitOne(&Batch::take_overs, graceful).recovery_attempts, 2);
  EXPECT_EQ(Row("a"), "PENDING,token-4,2");
}

TEST_P(OwnershipTest, HandBackEnqueuesWithoutOwnerAndCanGiveTheAttemptBack) {
  for (const bool count : {true, false}) {
    const std::string id = count ? "counted" : "graceful";
    const ExecutionRef execution = Begin(id);
    EXPECT_FALSE(CommitOne(&Batch::hand_backs, HandBack({id, "stale"}, count)).handed_back);
    EXPECT_TRUE(CommitOne(&Batch::hand_backs, HandBack(execution, count)).handed_back);
    EXPECT_TRUE(CommitOne(&Batch::hand_backs, HandBack(execution, count)).handed_back);  // the answer was lost
    EXPECT_EQ(Row(id), count ? "ENQUEUED,-,1" : "ENQUEUED,-,0");
    EXPECT_THAT(Select("queue_name, started_at_epoch_ms", "workflow_status", id),
                ElementsAre("_dbos_internal_queue,-"));
  }
}

TEST_P(OwnershipTest, DeadLetterEndsTheWorkflow) {
  const ExecutionRef execution = Begin("a");
  EXPECT_FALSE(CommitOne(&Batch::dead_letters, DeadLetter({"a", "stale"})).done);
  EXPECT_TRUE(CommitOne(&Batch::dead_letters, DeadLetter(execution)).done);
  EXPECT_TRUE(CommitOne(&Batch::dead_letters, DeadLetter(execution)).done);
  EXPECT_EQ(Row("a"), "MAX_RECOVERY_ATTEMPTS_EXCEEDED,-,1");
  EXPECT_EQ(CommitOne(&Batch::steps, Step(execution, 0, "s", "1")).error.reason, Reason::kWorkflowTerminal);
}

TEST_P(OwnershipTest, CancelStopsAnythingThatHasNotEnded) {
  Begin("running");
  CommitOne(&Batch::starts, Enqueued("waiting"));
  CommitOne(&Batch::completions, Completion(Begin("ended"), "1"));
  Batch batch;
  batch.cancels = {{"running"}, {"waiting"}, {"ended"}, {"nobody"}, {"running"}};
  Commit(batch);
  EXPECT_EQ(Row("running"), "CANCELLED,-,1");
  EXPECT_EQ(Row("waiting"), "CANCELLED,-,0");
  EXPECT_EQ(Row("ended"), "SUCCESS,-,1");
  EXPECT_THAT(Select("queue_name", "workflow_status", "waiting"), ElementsAre("-"));
}

TEST_P(OwnershipTest, SweepCancelsWhatIsPastItsDeadline) {
  for (const char* id : {"late", "early"}) Begin(id);
  database_->Run("UPDATE " + database_->Table("workflow_status") +
                 " SET workflow_deadline_epoch_ms = CASE workflow_uuid WHEN 'late' THEN 1 ELSE 99999999999999 END");
  EXPECT_THAT(CommitOne(&Batch::expirations, ExpireOp{}).expired, ElementsAre("late"));
  EXPECT_THAT(CommitOne(&Batch::expirations, ExpireOp{}).expired, IsEmpty());
  EXPECT_EQ(Row("late"), "CANCELLED,-,1");
  EXPECT_EQ(Row("early"), "PENDING,token-1,1");
}

TEST_P(OwnershipTest, RecoveryEnqueuesThisExecutorsWorkExceptWhatIsListedWithItsToken) {
  for (const char* id : {"lost", "kept", "other-token"}) Begin(id);
  const auto other = OpenAs("executor-2", kApplication, StorageRole::kWriter);
  Batch elsewhere;
  elsewhere.starts.push_back(Start("elsewhere", "token-e"));
  ASSERT_TRUE(other->Commit(elsewhere).ok());
  RecoverOp recover;
  recover.except = {{"kept", "token-1"}, {"other-token", "token-2"}};
  EXPECT_THAT(CommitOne(&Batch::recoveries, recover).recovered, UnorderedElementsAre("lost", "other-token"));
  EXPECT_EQ(Row("lost"), "ENQUEUED,-,1");
  EXPECT_EQ(Row("kept"), "PENDING,token-1,1");
  EXPECT_EQ(Row("elsewhere"), "PENDING,token-e,1");
}

TEST_P(OwnershipTest, RecoveryRepeatedWithItsBatchLeavesWhatTheBatchStarted) {
  for (int times = 0; times < 2; ++times) {
    Batch batch;
    batch.recoveries.emplace_back();
    batch.starts.push_back(Start("fresh", "token-f"));
    Commit(batch);
    EXPECT_THAT(batch.recoveries[0].recovered, IsEmpty());
    EXPECT_EQ(Row("fresh"), "PENDING,token-f,1");
  }
}

TEST_P(OwnershipTest, WhatIsRecoveredTakesNothingMoreFromItsOldExecutionInTheSameBatch) {
  for (const char* id : {"stepping", "ending", "parent"}) Begin(id);
  for (int times = 0; times < 2; ++times) {  // the second time: the answer was lost
    Batch batch;
    batch.recoveries.emplace_back();
    batch.steps.push_back(Step({"stepping", "token-1"}, 0, "pay", "1"));
    batch.completions.push_back(Completion({"ending", "token-1"}, "1"));
    batch.starts.push_back(Child("child", {"parent", "token-1"}, 0));
    Commit(batch);
    EXPECT_EQ(batch.steps[0].error.reason, Reason::kFenced);
    EXPECT_EQ(batch.completions[0].error.reason, Reason::kFenced);
    EXPECT_EQ(batch.starts[0].error.reason, Reason::kFenced);
    for (const char* id : {"stepping", "ending", "parent"}) {
      EXPECT_EQ(Row(id), "ENQUEUED,-,1");
      EXPECT_THAT(StepRows(id), IsEmpty());
    }
    EXPECT_EQ(Row("child"), "");
  }
}

TEST_P(OwnershipTest, AdoptionTellsWhoOwnsTheWorkflow) {
  Begin("mine");
  CommitOne(&Batch::completions, Completion(Begin("ended"), "1"));
  Batch batch;
  batch.adoptions.resize(4);
  batch.adoptions[0].execution = {"mine", "token-1"};
  batch.adoptions[1].execution = {"mine", "stale"};
  batch.adoptions[2].execution = {"ended", "token-1"};
  batch.adoptions[3].execution = {"nobody", "token-1"};
  Commit(batch);
  EXPECT_TRUE(batch.adoptions[0].owned);
  EXPECT_EQ(batch.adoptions[0].workflow.name, "checkout");
  EXPECT_FALSE(batch.adoptions[1].owned);
  EXPECT_EQ(batch.adoptions[1].status, WorkflowStatus::kPending);
  EXPECT_FALSE(batch.adoptions[2].owned);
  EXPECT_EQ(batch.adoptions[2].status, WorkflowStatus::kSuccess);
  EXPECT_EQ(batch.adoptions[3].status, WorkflowStatus::kUnknown);
}

TEST_P(OwnershipTest, VersionNameBelongsToTheApplicationThatRegisteredIt) {
  for (int times = 0; times < 2; ++times) {
    EXPECT_TRUE(CommitOne(&Batch::versions, Version("v1")).error.ok());
  }
  const auto other = OpenAs("executor-2", "bank", StorageRole::kWriter);
  Batch batch;
  batch.versions.push_back({"v1", {}});
  ASSERT_TRUE(other->Commit(batch).ok());
  EXPECT_EQ(batch.versions[0].error.reason, Reason::kVersionConflict);
  EXPECT_THAT(batch.versions[0].error.message, testing::HasSubstr("\"shop\""));
  EXPECT_THAT(
      database_->Query("SELECT version_name, application_name FROM " + database_->Table("application_versions")),
      ElementsAre("v1,shop"));
}

TEST_P(OwnershipTest, VersionOfNobodyIsAdopted) {
  database_->Run("INSERT INTO " + database_->Table("application_versions") +
                 " (version_id, version_name) VALUES ('x', 'v1')");
  EXPECT_TRUE(CommitOne(&Batch::versions, Version("v1")).error.ok());
  EXPECT_THAT(database_->Query("SELECT version_id, application_name FROM " + database_->Table("application_versions")),
              ElementsAre("x,shop"));
}

INSTANTIATE_OVER_DATABASES(OwnershipTest);

}  // namespace
}  // namespace dbos::sidecar
