#include <set>

#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReadsTest : public StoreTest {
 protected:
  std::vector<std::string> Claimable(const std::string& version, std::vector<std::string> names, std::int32_t limit) {
    const auto ids = reader_->FindClaimable({version, std::move(names), limit});
    EXPECT_TRUE(ids.ok()) << ids.status();
    return ids.value_or(std::vector<std::string>());
  }
  std::vector<std::string> Listed(const WorkflowFilter& filter) {
    const auto workflows = reader_->ListWorkflows(filter);
    EXPECT_TRUE(workflows.ok()) << workflows.status();
    std::vector<std::string> ids;
    for (const WorkflowRecord& workflow : *workflows) ids.push_back(workflow.workflow_id);
    return ids;
  }
  // In the order of their creation, whatever the clock's grain.
  void Enqueue(const std::string& id, const std::string& name, const std::string& version) {
    StartOp op = Enqueued(id);
    op.name = name;
    op.application_version = version;
    CommitOne(&Batch::starts, op);
    database_->Run("UPDATE " + database_->Table("workflow_status") +
                   " SET created_at = " + std::to_string(++created_at_) + " WHERE workflow_uuid = '" + id + "'");
  }
  std::int64_t created_at_ = 0;
};

TEST_P(ReadsTest, ClaimableAreOldestFirstOfTheWantedNamesUpToTheLimit) {
  for (const char* id : {"a", "b", "c"}) Enqueue(id, "checkout", "shop-1");
  Enqueue("d", "refund", "shop-1");
  Enqueue("e", "unknown", "shop-1");
  EXPECT_THAT(Claimable("shop-1", {"refund", "checkout"}, 10), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(Claimable("shop-1", {"refund", "checkout"}, 2), ElementsAre("a", "b"));
  EXPECT_THAT(Claimable("shop-1", {}, 10), IsEmpty());
}

TEST_P(ReadsTest, WorkflowsWithoutVersionAreForTheLatestVersion) {
  Enqueue("a", "checkout", "");
  EXPECT_THAT(Claimable("shop-1", {"checkout"}, 10), ElementsAre("a"));  // none is registered
  CommitOne(&Batch::versions, Version("shop-1"));
  CommitOne(&Batch::versions, Version("shop-2"));
  database_->Run("UPDATE " + database_->Table("application_versions") +
                 " SET version_timestamp = CASE version_name WHEN 'shop-1' THEN 1 ELSE 2 END");
  EXPECT_THAT(Claimable("shop-1", {"checkout"}, 10), IsEmpty());
  EXPECT_THAT(Claimable("shop-2", {"checkout"}, 10), ElementsAre("a"));
}

TEST_P(ReadsTest, ProbeTellsWhatIsDue) {
  Due due = *reader_->Probe({});
  EXPECT_FALSE(due.claimable || due.expired);
  EXPECT_THAT(due.cancelled, IsEmpty());
  EXPECT_GT(due.now_ms, 1'600'000'000'000);
  CommitOne(&Batch::starts, Enqueued("a"));
  StartOp timed = Start("late", "token-1");
  timed.timeout_ms = 1;
  CommitOne(&Batch::starts, timed);
  database_->Run("UPDATE " + database_->Table("workflow_status") +
                 " SET workflow_deadline_epoch_ms = 1 WHERE workflow_uuid = 'late'");
  Begin("cancelled");
  CommitOne(&Batch::cancels, CancelOp{"cancelled"});
  const absl::StatusOr<Due> later = reader_->Probe({due.now_ms - 1000});
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_TRUE(later->claimable);
  EXPECT_TRUE(later->expired);
  EXPECT_THAT(later->cancelled, ElementsAre("cancelled"));
  EXPECT_THAT(reader_->Probe({later->now_ms + 100'000})->cancelled, IsEmpty());
}

TEST_P(ReadsTest, ProbeTellsOfEveryCancelledWorkflowHoweverManyAreCancelledAtOnce) {
  constexpr int kCount = 2100;
  Batch batch;
  for (int n = 0; n < kCount; ++n) batch.starts.push_back(Start("w" + std::to_string(n), "token-1"));
  Commit(batch);
  // In bursts of one millisecond each, of which one is longer than a page.
  database_->Run("UPDATE " + database_->Table("workflow_status") +
                 " SET status = 'CANCELLED', completed_at = CASE WHEN workflow_uuid < 'w4' THEN 5000 ELSE 6000 END");
  const absl::StatusOr<Due> due = reader_->Probe({5000});
  ASSERT_TRUE(due.ok()) << due.status();
  EXPECT_EQ(due->cancelled.size(), kCount);
  EXPECT_EQ(std::set<std::string>(due->cancelled.begin(), due->cancelled.end()).size(), kCount);
}

TEST_P(ReadsTest, ReplayHasTheInputAndAllStepsInOrder) {
  const ExecutionRef execution = Begin("a");
  Begin("b");
  for (const std::int32_t n : {1, 0}) CommitOne(&Batch::steps, Step(execution, n, "s", std::to_string(n)));
  const auto replays = reader_->LoadReplay({{"a", -1}, {"b", -1}, {"nobody", -1}}, 1'000'000);
  ASSERT_TRUE(replays.ok()) << replays.status();
  ASSERT_EQ(replays->size(), 3);
  const Replay& a = (*replays)[0];
  EXPECT_EQ(a.input->data, R"({"positionalArgs":[1]})");
  EXPECT_TRUE(a.complete);
  ASSERT_EQ(a.steps.size(), 2);
  EXPECT_EQ(a.steps[0].step_id, 0);
  EXPECT_EQ(a.steps[1].outcome->payload.data, "1");
  EXPECT_EQ(a.steps[1].outcome->payload.serialization, "portable_json");
  EXPECT_EQ(a.steps[1].completed_at_ms, 2001);
  EXPECT_THAT((*replays)[1].steps, IsEmpty());
  EXPECT_TRUE((*replays)[1].complete);
  EXPECT_FALSE(a.deleted || (*replays)[1].deleted);
  EXPECT_FALSE((*replays)[2].input.has_value());
  EXPECT_TRUE((*replays)[2].deleted);
  EXPECT_FALSE((*reader_->LoadReplay({{"a", 0}}, 1000))[0].deleted);
  EXPECT_TRUE((*reader_->LoadReplay({{"nobody", 0}}, 1000))[0].deleted);
}

TEST_P(ReadsTest, ReplaysThatAreTooMuchTogetherAreLeftForTheNextRead) {
  std::string large;  // its characters have two bytes
  while (large.size() < (4 << 20)) large += "\u00e9";
  const ExecutionRef execution = Begin("a");
  for (const std::int32_t n : {0, 1}) CommitOne(&Batch::steps, Step(execution, n, "s", large));
  for (const char* id : {"b", "c", "d", "e"}) {
    StartOp op = Start(id, "token-1");
    op.input.data = large;
    CommitOne(&Batch::starts, op);
  }
  const auto replays = reader_->LoadReplay({{"b", -1}, {"c", -1}, {"a", -1}, {"d", -1}, {"e", -1}}, 1000);
  ASSERT_TRUE(replays.ok()) << replays.status();
  ASSERT_EQ(replays->size(), 3);
  EXPECT_EQ((*replays)[2].steps.size(), 1);
  EXPECT_FALSE((*replays)[2].complete);
  EXPECT_EQ(reader_->LoadReplay({{"d", -1}, {"a", 0}, {"b", 0}, {"c", 0}, {"e", -1}}, 1000)->size(), 5);
}

TEST_P(ReadsTest, LongReplaysComeInPages) {
  const ExecutionRef execution = Begin("a");
  for (std::int32_t n = 0; n < 10; ++n) CommitOne(&Batch::steps, Step(execution, n, "s", std::string(1000, 'x')));
  std::int32_t after = -1;
  std::vector<std::size_t> pages;
  bool complete = false;
  while (!complete) {
    const auto replays = reader_->LoadReplay({{"a", after}}, 3000);
    ASSERT_TRUE(replays.ok()) << replays.status();
    const Replay& page = (*replays)[0];
    ASSERT_FALSE(page.steps.empty());
    EXPECT_EQ(page.input.has_value(), after < 0);
    EXPECT_EQ(page.steps[0].step_id, after + 1);
    pages.push_back(page.steps.size());
    after = page.steps.back().step_id;
    complete = page.complete;
  }
  EXPECT_THAT(pages, ElementsAre(3, 3, 3, 1));
}

TEST_P(ReadsTest, OutcomesAreReadForManyWorkflowsAndMissingOnesAreAbsent) {
  CommitOne(&Batch::completions, Completion(Begin("a"), "7"));
  Begin("b");
  const auto workflows = reader_->ReadOutcomes({"a", "b", "nobody"});
  ASSERT_TRUE(workflows.ok()) << workflows.status();
  ASSERT_EQ(workflows->size(), 2);
  for (const WorkflowRecord& workflow : *workflows) {
    if (workflow.workflow_id == "a") {
      EXPECT_EQ(workflow.outcome->payload.data, "7");
      EXPECT_EQ(workflow.status, WorkflowStatus::kSuccess);
    } else {
      EXPECT_FALSE(workflow.outcome.has_value());
      EXPECT_EQ(workflow.owner_token, "token-1");
    }
  }
}

TEST_P(ReadsTest, PayloadsThatOlderSdksKeptInTheStatusRowAreReadToo) {
  Begin("a");
  database_->Run("DELETE FROM " + database_->Table("workflow_input"));
  database_->Run("UPDATE " + database_->Table("workflow_status") +
                 " SET inputs = '[1]', output = '2', status = 'SUCCESS', serialization = NULL");
  const auto workflow = reader_->ReadWorkflow("a");
  ASSERT_TRUE(workflow.ok() && workflow->has_value()) << workflow.status();
  EXPECT_EQ((*workflow)->input->data, "[1]");
  EXPECT_EQ((*workflow)->input->serialization, "");
  EXPECT_EQ((*workflow)->outcome->payload.data, "2");
  EXPECT_EQ((*reader_->LoadReplay({{"a", -1}}, 1000))[0].input->data, "[1]");
}

TEST_P(ReadsTest, ListFiltersOrdersAndPages) {
  for (const char* id : {"order-1", "order-2", "other-3"}) Enqueue(id, "checkout", "shop-1");
  CommitOne(&Batch::completions, Completion(Begin("order-4"), "7"));
  const WorkflowFilter all;
  EXPECT_THAT(Listed(all), ElementsAre("order-4", "other-3", "order-2", "order-1"));
  WorkflowFilter orders;
  orders.workflow_id_prefix = "order-";
  orders.oldest_first = true;
  EXPECT_THAT(Listed(orders), ElementsAre("order-1", "order-2", "order-4"));
  WorkflowFilter ended;
  ended.status = {WorkflowStatus::kSuccess};
  EXPECT_THAT(Listed(ended), ElementsAre("order-4"));
  WorkflowFilter page;
  page.limit = 2;
  page.offset = 1;
  EXPECT_THAT(Listed(page), ElementsAre("other-3", "order-2"));
  WorkflowFilter name;
  name.name = "refund";
  EXPECT_THAT(Listed(name), IsEmpty());
  WorkflowFilter version;
  version.application_version = "shop-2";
  EXPECT_THAT(Listed(version), IsEmpty());
}

TEST_P(ReadsTest, ListHasPayloadsOnlyWhenAsked) {
  CommitOne(&Batch::completions, Completion(Begin("a"), "7"));
  WorkflowFilter filter;
  const auto plain = reader_->ListWorkflows(filter);
  EXPECT_FALSE((*plain)[0].input.has_value() || (*plain)[0].outcome.has_value());
  filter.with_input = true;
  filter.with_outcome = true;
  const auto full = reader_->ListWorkflows(filter);
  EXPECT_EQ((*full)[0].outcome->payload.data, "7");
  EXPECT_TRUE((*full)[0].input.has_value());
}

TEST_P(ReadsTest, APageOfWorkflowsEndsWithTheOneWhosePayloadsFillIt) {
  for (const char* id : {"a", "b", "c"}) CommitOne(&Batch::completions, Completion(Begin(id), "\"éééé\""));
  const auto count = [&](bool inputs, bool outcomes, std::int64_t max_bytes) {
    WorkflowFilter filter;
    filter.with_input = inputs;
    filter.with_outcome = outcomes;
    filter.max_bytes = max_bytes;
    filter.oldest_first = true;
    const auto listed = reader_->ListWorkflows(filter);
    filter.oldest_first = false;
    EXPECT_EQ(listed->size(), reader_->ListWorkflows(filter)->size());
    return listed.ok() ? listed->size() : 0;
  };
  constexpr std::int64_t kOutcome = 10;  // bytes, of six characters
  EXPECT_EQ(count(false, true, kOutcome), 1U);
  EXPECT_EQ(count(false, true, kOutcome + 1), 2U);
  EXPECT_EQ(count(false, true, 2 * kOutcome + 1), 3U);
  EXPECT_EQ(count(true, true, kOutcome + 1), 1U) << "the input counts too";
  EXPECT_EQ(count(false, false, 1), 3U) << "what is not read does not count";
}

TEST_P(ReadsTest, StepsAreListedInPages) {
  const ExecutionRef execution = Begin("a");
  for (std::int32_t n = 0; n < 3; ++n) CommitOne(&Batch::steps, Step(execution, n, "s", "1"));
  const auto page = reader_->ListSteps({"a", 0, 1, 1000});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->steps.size(), 1);
  EXPECT_EQ(page->steps[0].step_id, 1);
  EXPECT_FALSE(page->complete);
  EXPECT_TRUE(reader_->ListSteps({"a", 0, 2, 1000})->complete);
  EXPECT_TRUE(reader_->ListSteps({"a", 2, 2, 1000})->steps.empty());
  EXPECT_TRUE(reader_->ListSteps({"a", 2, 2, 1000})->complete);
}

TEST_P(ReadsTest, APageOfStepsEndsWithTheStepThatCrossesTheLimitOfBytes) {
  const ExecutionRef execution = Begin("a");
  const std::string large = '"' + std::string(5000, 'x') + '"';
  for (std::int32_t n = 0; n < 4; ++n) CommitOne(&Batch::steps, Step(execution, n, "s", n == 3 ? "1" : large));
  const auto first = reader_->ListSteps({"a", -1, 100, 6000});
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->steps.size(), 2);
  EXPECT_FALSE(first->complete);
  const auto second = reader_->ListSteps({"a", 1, 100, 6000});
  ASSERT_EQ(second->steps.size(), 2);
  EXPECT_EQ(second->steps[1].step_id, 3);
  EXPECT_TRUE(second->complete);
}

INSTANTIATE_OVER_DATABASES(ReadsTest);

}  // namespace
}  // namespace dbos::sidecar
