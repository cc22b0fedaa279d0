// Sidecar and app as real processes, with a proxy before PostgreSQL that drops the connection before, during or after
// the COMMIT of each kind of batch. The app lives: no body runs twice, and what callers see is what is recorded.
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::CommitPoint;
using dbos::testing::Fault;
using dbos::testing::PgProxy;

constexpr absl::Duration kPatience = absl::Seconds(20);

// A piece of SQL that runs in one kind of batch only.
struct Kind {
  std::string name;
  std::string text;
};
const Kind kHello = {"hello", "UPDATE \"dbos\".application_versions"};
const Kind kClaim = {"claim", "WITH free AS MATERIALIZED"};
const Kind kTakeOver = {"take over", "s.owner_xid IN (i.owner_token, i.new_token)"};
const Kind kHandBack = {"hand back", "s.recovery_attempts - i.give_back"};
const Kind kRecover = {"recover", "COALESCE(s.owner_xid, '') = i.owner_token"};
const std::vector<Kind> kOfAWorkflow = {{"start", "INSERT INTO \"dbos\".workflow_input"},
                                        {"step", "SELECT i.workflow_id, i.step_id, i.new_name"},
                                        {"child start", "SELECT i.parent_id, i.step_id, i.child_name"},
                                        {"outcome", "INSERT INTO \"dbos\".workflow_output"}};

class CommitTest : public ::testing::TestWithParam<Fault> {
 protected:
  void SetUp() override { ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run"; }

  // The next commit of this kind meets the fault.
  void Arm(const Kind& kind, int times = 1) {
    proxy_.ResetCounts();
    // A batch of one statement commits at its Sync. Reads do too, but none has the text of a kind.
    const CommitPoint at = kind.text.empty() ? CommitPoint::kExplicit : CommitPoint::kAny;
    proxy_.Arm({.fault = GetParam(), .at = at, .mentions = kind.text, .times = times});
  }
  void ExpectStruck(const Kind& kind, int times = 1) {
    EXPECT_TRUE(proxy_.WaitForFaults(times, absl::ZeroDuration())) << "no drop at the commit of a " << kind.name;
  }
  // Every workflow has ended, in so many executions.
  void ExpectAttempts(std::int64_t attempts) {
    const auto ended = WorkflowsThatAre(world_, dbos::WorkflowStatus::kSuccess);
    EXPECT_GE(ended.size(), 2U);
    for (const dbos::WorkflowInfo& workflow : ended) {
      const bool is_child = !workflow.parent_workflow_id.empty();
      EXPECT_EQ(workflow.recovery_attempts, is_child ? 1 : attempts) << workflow.workflow_id;
    }
  }
  // One workflow runs, and its process stands still in the body of its second step.
  void StopInABody(Process& app) { ASSERT_TRUE(app.WaitStopped(kPatience)) << world_.Logs(); }

  World world_{DatabaseKind::kPostgres};
  PgProxy& proxy_ = world_.PutProxyBetween();
};

TEST_P(CommitTest, StartsStepsChildrenAndOutcomesAreThereOnce) {
  world_.StartSidecar();
  world_.StartApp();
  int first = 0;
  for (const Kind& kind : kOfAWorkflow) {
    Arm(kind);
    Callers caller(world_, 1, first++);
    caller.Finish();
    caller.CheckRecords();
    ExpectStruck(kind);
  }
  const Kind any = {"any kind", ""};
  Arm(any, 7);
  Callers callers(world_, 3, first);
  callers.Finish();
  callers.CheckRecords();
  ExpectStruck(any, 7);
  ExpectEachBodyRanOnce(world_);
  ExpectAttempts(1);
  EXPECT_EQ(world_.restarts(), 0) << world_.Logs();
}

TEST_P(CommitTest, AClaimIsOneAttempt) {
  world_.StartSidecar();
  Callers callers(world_, 2);
  ASSERT_TRUE(
      Eventually(kPatience, [this] { return WorkflowsThatAre(world_, dbos::WorkflowStatus::kEnqueued).size() == 2; }));
  Arm(kClaim);
  world_.StartApp();
  callers.Finish();
  callers.CheckRecords();
  ExpectStruck(kClaim);
  ExpectEachBodyRanOnce(world_);
  ExpectAttempts(1);
}

TEST_P(CommitTest, AnAdoptedExecutionCarriesOn) {
  world_.StartSidecar();
  Process& app = world_.app(world_.StartApp({"stop", "after", "s1"}));
  Callers callers(world_, 1);
  ASSERT_NO_FATAL_FAILURE(StopInABody(app));
  world_.sidecar().Kill();
  ASSERT_NE(world_.sidecar().Wait(kPatience), -1);
  Arm(kHello);
  world_.StartSidecar();
  callers.Finish();
  callers.CheckRecords();
  ExpectStruck(kHello);
  ExpectEachBodyRanOnce(world_);
  ExpectAttempts(1);
}

TEST_P(CommitTest, ATakeOverIsOneAttempt) {
  world_.StartSidecar();
  world_.StartApp({"stop", "after", "s1"});
  Callers callers(world_, 1);
  ASSERT_NO_FATAL_FAILURE(StopInABody(world_.app(0)));
  world_.StartApp();
  ASSERT_TRUE(world_.AppsWrote("ready", 2)) << world_.Logs();
  Arm(kTakeOver);
  world_.app(0).Kill();
  callers.Finish();
  callers.CheckRecords();
  ExpectStruck(kTakeOver);
  ExpectEachBodyRanOnce(world_, "s1");
  ExpectAttempts(2);
}

TEST_P(CommitTest, AHandBackIsOneAttempt) {
  world_.StartSidecar();
  world_.StartApp({"stop", "after", "s1"});
  Callers callers(world_, 1);
  ASSERT_NO_FATAL_FAILURE(StopInABody(world_.app(0)));
  Arm(kHandBack);
  world_.app(0).Kill();
  callers.Finish();
  callers.CheckRecords();
  ExpectStruck(kHandBack);
  ExpectEachBodyRanOnce(world_, "s1");
  ExpectAttempts(2);
}

TEST_P(CommitTest, ARecoveryIsOneAttempt) {
  world_.StartSidecar();
  world_.StartApp({"stop", "after", "s1"});
  Callers callers(world_, 1);
  ASSERT_NO_FATAL_FAILURE(StopInABody(world_.app(0)));
  world_.sidecar().Kill();  // first: it must not see the process die
  ASSERT_NE(world_.sidecar().Wait(kPatience), -1);
  world_.app(0).Kill();
  ASSERT_NE(world_.app(0).Wait(kPatience), -1);
  Arm(kRecover);
  callers.Finish();
  callers.CheckRecords();
  ExpectStruck(kRecover);
  ExpectEachBodyRanOnce(world_, "s1");
  ExpectAttempts(2);
}

INSTANTIATE_TEST_SUITE_P(Drops, CommitTest,
                         ::testing::Values(Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer),
                         [](const auto& test) {
                           const bool before = test.param == Fault::kDropBefore;
                           return before ? "Before" : test.param == Fault::kDropDuring ? "During" : "After";
                         });

TEST(CommitsTest, ManyWorkflowsUnderRandomDropsAllEndAndNoBodyRunsTwice) {
  ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run";
  World world(DatabaseKind::kPostgres);
  PgProxy& proxy = world.PutProxyBetween();
  world.StartSidecar();
  world.StartApp();
  ASSERT_TRUE(world.AppsWrote("ready")) << world.Logs();
  proxy.ResetCounts();
  constexpr Fault kFaults[] = {Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer};
  std::mt19937 random(1);  // the same drops each time; what they hit differs
  Callers callers(world, 150);
  int drops = 0;
  for (int round = 0; round < 40 && !callers.ended(); ++round) {
    const int times = static_cast<int>(random() % 3) + 1;
    // At least one commit passes in between: the drops meet as many different batches as they can.
    proxy.Arm({.fault = kFaults[random() % 3], .skip = static_cast<int>(random() % 3) + 1, .times = times});
    Eventually(kPatience, [&] { return callers.ended() || proxy.counts().faults >= drops + times; });
    drops = static_cast<int>(proxy.counts().faults);
    if (round % 5 == 4) proxy.DropAll();  // readers too
  }
  proxy.Disarm();
  callers.Finish();
  callers.CheckRecords();
  EXPECT_GE(drops, 20) << "the workflows ended before they met enough drops";
  ExpectEachBodyRanOnce(world);
  EXPECT_EQ(world.restarts(), 0) << world.Logs();
  for (const auto& workflow : WorkflowsThatAre(world, dbos::WorkflowStatus::kSuccess)) {
    EXPECT_EQ(workflow.recovery_attempts, 1) << workflow.workflow_id;
  }
}

}  // namespace
}  // namespace dbos::sidecar
