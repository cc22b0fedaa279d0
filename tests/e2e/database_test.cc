// The database is not there: when the sidecar starts, and while workflows run.
#include <cstdlib>
#include <optional>
#include <set>
#include <string>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/black_hole.h"
#include "tests/e2e/health.h"
#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::Accepting;
using dbos::testing::CommitPoint;
using dbos::testing::Fault;
using dbos::testing::PgProxy;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kExitOk = 0;  // as `dbos-sidecar --help` lists them
constexpr int kExitDatabase = 3;

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run"; }

  bool Becomes(const std::string& service, Serving serving) {
    return Eventually(kPatience, [&] { return AskHealth(world_.address(), service) == serving; });
  }
  void ExpectItStopsAtOnce() {
    const absl::Duration began = SinceBoot();
    world_.sidecar().Terminate();
    EXPECT_EQ(world_.sidecar().Wait(kPatience), kExitOk) << world_.Logs();
    EXPECT_LT(SinceBoot() - began, absl::Seconds(3)) << "a connection attempt takes longer";
  }
  // Workflows run, and the third commit of steps stands still on its way to the server.
  void StandStillAtACommit(PgProxy& proxy) {
    proxy.Arm({.fault = Fault::kStallBefore,
               .at = CommitPoint::kAny,
               .mentions = "SELECT i.workflow_id, i.step_id, i.new_name",
               .skip = 2});
    callers_.emplace(world_, 20);
    ASSERT_TRUE(proxy.WaitForFaults(1, kPatience)) << world_.Logs();
  }
  // The body of a step began only after the step before it was committed.
  void ExpectBodiesFollowRecords() {
    const auto ledger = world_.Ledger();
    const auto rows = world_.Query("SELECT workflow_uuid || ' ' || function_name FROM dbos.operation_outputs");
    const std::set<std::string> recorded(rows.begin(), rows.end());
    for (const auto& [key, runs] : ledger) {
      const std::size_t step = key.find(" s");  // "w0 s2"; the steps behind these have other names
      if (step == std::string::npos || key.back() == '0') continue;
      const std::string before = key.substr(0, step + 2) + std::to_string(key.back() - '1');
      EXPECT_TRUE(recorded.contains(before)) << key << " ran, and " << before << " is not recorded";
    }
  }

  World world_{DatabaseKind::kPostgres};
  std::optional<Callers> callers_;
};

TEST_F(DatabaseTest, ASidecarStartsWhenTheServerComesInTime) {
  // First nobody listens at the address, then somebody who accepts nobody.
  world_.StartSidecar("", {"--database", world_.proxy_url(), "--database-wait", "30"});
  ASSERT_TRUE(world_.SidecarsWrote("the database is not there yet")) << world_.Logs();
  PgProxy& proxy = world_.PutProxyBetween();
  proxy.SetAccepting(Accepting::kNo);
  ASSERT_TRUE(Eventually(kPatience, [&] { return proxy.counts().refused > 0; })) << world_.Logs();
  EXPECT_EQ(AskHealth(world_.address(), ""), Serving::kNoAnswer) << "it serves before it has a database";
  proxy.SetAccepting(Accepting::kYes);
  world_.StartApp();
  RunToTheEnd(world_);
  EXPECT_EQ(world_.restarts(), 0) << world_.Logs();
}

TEST_F(DatabaseTest, ASidecarWhoseServerDoesNotComeEndsWithItsCodeAndTheFix) {
  const absl::Duration began = SinceBoot();
  world_.StartSidecar("", {"--database", world_.proxy_url(), "--database-wait", "1"});
  EXPECT_EQ(world_.sidecar().Wait(kPatience), kExitDatabase) << world_.Logs();
  EXPECT_LT(SinceBoot() - began, absl::Seconds(10));
  EXPECT_TRUE(world_.SidecarsWrote("could not be reached for 1s")) << world_.Logs();
  EXPECT_TRUE(world_.SidecarsWrote("start it, check --database, or wait longer with --database-wait"));
}

TEST_F(DatabaseTest, AServerThatAcceptsAndSaysNothingDoesNotOutlastTheWait) {
  world_.PutProxyBetween().Stall();
  const absl::Duration began = SinceBoot();
  world_.StartSidecar("", {"--database-wait", "1"});
  EXPECT_EQ(world_.sidecar().Wait(kPatience), kExitDatabase) << world_.Logs();
  EXPECT_LT(SinceBoot() - began, absl::Seconds(10));  // libpq's shortest wait is two seconds, and there are two
}

TEST_F(DatabaseTest, ASidecarThatWaitsForItsServerCanBeStopped) {
  world_.StartSidecar("", {"--database", world_.proxy_url(), "--database-wait", "3600"});
  ASSERT_TRUE(world_.SidecarsWrote("the database is not there yet")) << world_.Logs();
  ExpectItStopsAtOnce();
}

TEST_F(DatabaseTest, ASidecarWhoseServerAcceptsAndSaysNothingCanBeStopped) {
  PgProxy& proxy = world_.PutProxyBetween();
  proxy.Stall();
  world_.StartSidecar("", {"--database-wait", "3600"});
  ASSERT_TRUE(Eventually(kPatience, [&] { return proxy.counts().connections > 0; })) << world_.Logs();
  ExpectItStopsAtOnce();
}

TEST_F(DatabaseTest, ASidecarWhoseServerIsBehindABlackHoleCanBeStopped) {
  const BlackHole hole;
  const std::string url = "postgresql://user@127.0.0.1:" + std::to_string(hole.port()) + "/database";
  world_.StartSidecar("", {"--database", url, "--database-wait", "3600"});
  ASSERT_TRUE(Eventually(kPatience, [&] { return hole.Swallows(); })) << world_.Logs();
  ExpectItStopsAtOnce();
}

TEST_F(DatabaseTest, ASidecarWhoseServerStopsAnsweringCanBeStopped) {
  PgProxy& proxy = world_.PutProxyBetween();
  world_.StartSidecar("", {"--drain-timeout", "1"});
  world_.StartApp();
  ASSERT_NO_FATAL_FAILURE(StandStillAtACommit(proxy));
  world_.sidecar().Terminate();
  EXPECT_EQ(world_.sidecar().Wait(kPatience), kExitDatabase) << world_.Logs();
  EXPECT_TRUE(world_.SidecarsWrote("the database does not answer: ending without it")) << world_.Logs();
  proxy.Disarm();
  proxy.DropAll();
  world_.StartSidecar();
  callers_->Finish();
  callers_->CheckRecords();
  ExpectBodiesFollowRecords();
}

TEST_F(DatabaseTest, NothingIsLostWhileTheServerRefusesConnections) {
  PgProxy& proxy = world_.PutProxyBetween();
  world_.StartSidecar();
  world_.StartApp();
  ASSERT_NO_FATAL_FAILURE(StandStillAtACommit(proxy));
  proxy.SetAccepting(Accepting::kNo);
  proxy.DropAll();
  EXPECT_TRUE(Becomes("dbos.v1", Serving::kNo)) << world_.Logs();
  EXPECT_EQ(AskHealth(world_.address(), ""), Serving::kYes);
  EXPECT_EQ(AskHealth(world_.address(), "dbos.v1.StepService"), Serving::kYes);
  dbos::Client client({.sidecar_address = world_.address(), .request_timeout = std::chrono::milliseconds(300)});
  EXPECT_THROW(client.start<std::vector<std::string>>("ledger", {.workflow_id = "new"}, kSteps),
               dbos::SidecarUnavailable);
  EXPECT_FALSE(callers_->ended());
  proxy.SetAccepting(Accepting::kYes);
  EXPECT_TRUE(Becomes("dbos.v1", Serving::kYes)) << world_.Logs();
  callers_->Finish();
  callers_->CheckRecords();
  ExpectEachBodyRanOnce(world_);
  EXPECT_EQ(world_.restarts(), 0) << world_.Logs();
  EXPECT_TRUE(world_.SidecarsWrote("the database fails: work waits"));
  EXPECT_TRUE(world_.SidecarsWrote("the database is back")) << world_.Logs();
}

// No connection breaks, no answer comes. The processes keep their executions for longer than a ping may take.
TEST_F(DatabaseTest, NothingIsAcknowledgedWhileTheServerStandsStill) {
  PgProxy& proxy = world_.PutProxyBetween();
  world_.StartSidecar("", {"--ping-timeout", "1"});
  world_.StartApp();
  ASSERT_NO_FATAL_FAILURE(StandStillAtACommit(proxy));
  proxy.Stall();
  Pause(absl::Seconds(1));  // what was acknowledged before may still run
  ExpectBodiesFollowRecords();
  const auto before = world_.Ledger();
  Pause(absl::Seconds(2));
  EXPECT_EQ(world_.Ledger(), before) << "a body began whose predecessor cannot be recorded yet";
  EXPECT_FALSE(callers_->ended());
  EXPECT_TRUE(Becomes("dbos.v1", Serving::kNo)) << world_.Logs();
  EXPECT_EQ(AskHealth(world_.address(), ""), Serving::kYes);
  EXPECT_TRUE(world_.SidecarsWrote("a commit has had no answer for more than 5s: look whether the server hangs"));
  proxy.Resume();
  EXPECT_TRUE(Becomes("dbos.v1", Serving::kYes)) << world_.Logs();
  callers_->Finish();
  callers_->CheckRecords();
  ExpectEachBodyRanOnce(world_);
  EXPECT_EQ(world_.restarts(), 0) << world_.Logs();
  EXPECT_TRUE(world_.SidecarsWrote("the database is back")) << world_.Logs();
  const std::string logs = world_.Logs();
  EXPECT_EQ(logs.find("work waits"), logs.rfind("work waits")) << "said twice\n" << logs;
}

}  // namespace
}  // namespace dbos::sidecar
