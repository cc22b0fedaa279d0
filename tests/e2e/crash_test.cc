// Real processes, killed with SIGKILL and paused with SIGSTOP at the worst points, on each database. The ledger shows
// what ran how often: nothing twice that was recorded, and nothing that was recorded is lost.
#include <filesystem>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using ::testing::Combine;
using ::testing::ValuesIn;

// A fault that never struck proves nothing.
void ExpectStruck(const World& world) {
  EXPECT_TRUE(std::filesystem::exists(world.directory() + "/struck")) << world.Logs();
}

// ---------------------------------------------------------------- the sidecar is struck, the app lives
using SidecarFault = std::tuple<DatabaseKind, std::string>;
class SidecarCrashTest : public ::testing::TestWithParam<SidecarFault> {};

TEST_P(SidecarCrashTest, TheAppCarriesOnAndNoBodyRunsTwice) {
  const auto& [kind, fault] = GetParam();
  World world(kind);
  world.StartSidecar(fault);
  world.StartApp();
  RunToTheEnd(world);
  ExpectEachBodyRanOnce(world);
  ExpectStruck(world);
}

INSTANTIATE_TEST_SUITE_P(
    Points, SidecarCrashTest,
    Combine(ValuesIn(TestDatabaseKinds()),
            ValuesIn(std::vector<std::string>{
                "before:start:1:kill",      "after:start:1:kill",       "before:start:2:kill",
                "after:start:2:kill",       "before:step:1:kill",       "after:step:1:kill",
                "after:step:3:kill",        "after:step:5:kill",        "before:completion:1:kill",
                "after:completion:1:kill",  "before:completion:2:kill", "after:completion:2:kill",
                "before:version:1:kill",    "after:version:1:kill",     "after:step:2:stop",
                "before:completion:2:stop", "after:start:1:stop",       "during:start:1:kill",
                "during:step:2:kill",       "during:step:3:stop",       "during:completion:1:kill"})),
    [](const auto& test) { return TestName(ToString(std::get<0>(test.param)) + "_" + std::get<1>(test.param)); });

// ---------------------------------------------------------------- the app is struck in a body
struct BodyStrike {
  std::string action;
  std::string moment;
  std::string step;
};
using AppFault = std::tuple<DatabaseKind, BodyStrike>;
class AppCrashTest : public ::testing::TestWithParam<AppFault> {};

TEST_P(AppCrashTest, TheWorkflowGoesOnAndOnlyTheInterruptedBodyRunsAgain) {
  const auto& [kind, strike] = GetParam();
  World world(kind);
  world.StartSidecar();
  world.StartApp({strike.action, strike.moment, strike.step});
  RunToTheEnd(world);
  ExpectEachBodyRanOnce(world, strike.step);
  ExpectStruck(world);
}

INSTANTIATE_TEST_SUITE_P(Bodies, AppCrashTest,
                         Combine(ValuesIn(TestDatabaseKinds()),
                                 ValuesIn(std::vector<BodyStrike>{{"kill", "before", "s0"},
                                                                  {"kill", "after", "s0"},
                                                                  {"kill", "after", "s3"},
                                                                  {"kill", "after", "left"},
                                                                  {"kill", "after", "c0"},
                                                                  {"kill", "before", "last"},
                                                                  {"kill", "after", "last"},
                                                                  {"stop", "after", "s2"}})),
                         [](const auto& test) {
                           const BodyStrike& strike = std::get<1>(test.param);
                           return TestName(ToString(std::get<0>(test.param)) + "_" + strike.action + "_" +
                                           strike.moment + "_" + strike.step);
                         });

// ---------------------------------------------------------------- both, and recovery's own steps
class CrashTest : public ::testing::TestWithParam<DatabaseKind> {};

TEST_P(CrashTest, AppAndSidecarDieTogetherAndTheWorkflowFinishes) {
  World world(GetParam());
  world.StartSidecar("after:step:2:kill");
  world.StartApp({"kill", "after", "s2"});
  RunToTheEnd(world);
  ExpectEachBodyRanOnce(world, "s2");
  ExpectStruck(world);
}

TEST_P(CrashTest, TheSidecarDiesBetweenClaimAndDispatch) {
  for (const std::string fault : {"before:claim:1:kill", "after:claim:1:kill", "after:recover:1:kill"}) {
    World world(GetParam());
    world.StartSidecar("after:start:1:kill");
    world.StartApp();
    dbos::Client({.sidecar_address = world.address()}).list();  // the sidecar is up
    dbos::Client client({.sidecar_address = world.address(), .request_timeout = std::chrono::seconds(2)});
    EXPECT_THROW(client.start<std::vector<std::string>>("ledger", {.workflow_id = "w0"}, kSteps)
                     .result(std::chrono::milliseconds(1500)),
                 dbos::Error);
    world.app(0).Kill();  // its execution is claimed by the next sidecar, which dies doing so
    world.app(0).Wait(absl::Seconds(5));
    world.sidecar().Wait(absl::Seconds(5));
    ExpectStruck(world);
    std::filesystem::remove(world.directory() + "/struck");
    world.StartSidecar(fault);
    RunToTheEnd(world);
    ExpectEachBodyRanOnce(world);
    ExpectStruck(world);
  }
}

TEST_P(CrashTest, AHandOverSurvivesTheDeathOfTheSidecar) {
  for (const std::string fault : {"before:take_over:1:kill", "after:take_over:1:kill"}) {
    World world(GetParam());
    world.StartSidecar(fault);
    world.StartApp({"kill", "after", "s1"});
    world.StartApp({"kill", "after", "s1"});
    RunToTheEnd(world);
    for (const auto& [key, runs] : world.Ledger()) EXPECT_LE(runs.size(), key.ends_with(" s1") ? 3U : 1U) << key;
  }
}

TEST_P(CrashTest, AZombieThatWakesUpWritesNothing) {
  World world(GetParam());
  world.StartSidecar("", {"--ping-timeout", "1"});
  const std::size_t zombie = world.StartApp({"stop", "after", "s1"});
  dbos::Client client({.sidecar_address = world.address()});
  auto handle = client.start<std::vector<std::string>>("ledger", {.workflow_id = "w0"}, kSteps);
  ASSERT_TRUE(world.app(zombie).WaitStopped(absl::Seconds(10)));
  world.StartApp();
  const auto seen = handle.result(std::chrono::seconds(30));
  world.app(zombie).Continue();
  Pause(absl::Milliseconds(500));
  EXPECT_TRUE(world.app(zombie).Running());
  CheckRecords(world, "w0", seen);
  ExpectEachBodyRanOnce(world, "s1");
  EXPECT_EQ(world.Ledger().at("w0 s1").size(), 2U);
  EXPECT_TRUE(world.SidecarsWrote("workflow_id=\"w0\"")) << "who lost it is in the log\n" << world.Logs();
}

TEST_P(CrashTest, AnAppThatLostItsExecutionLivesOn) {
  World world(GetParam());
  world.StartSidecar("before:step:1:kill");
  world.StartApp();
  dbos::Client({.sidecar_address = world.address()}).list();  // the sidecar is up
  dbos::Client client({.sidecar_address = world.address(), .request_timeout = std::chrono::seconds(2)});
  EXPECT_THROW(client.start<std::vector<std::string>>("ledger", {.workflow_id = "w0"}, kSteps)
                   .result(std::chrono::milliseconds(1500)),
               dbos::Error);
  world.sidecar().Wait(absl::Seconds(5));
  world.ForgetAttachedProcesses();  // the next sidecar gives the execution away before the app is back
  RunToTheEnd(world);
  EXPECT_EQ(world.app(0).Wait(absl::Milliseconds(300)), -1) << world.Logs();
  EXPECT_EQ(world.restarts(), 1);
}

TEST_P(CrashTest, ManyWorkflowsUnderRandomKillsAllEndAndMatchTheLedger) {
  World world(GetParam());
  world.StartSidecar();
  world.StartApp();
  world.StartApp();
  Callers callers(world, 40);
  for (int round = 0; !callers.ended() && round < 400; ++round) {
    if (round < 12 && round % 2 == 0) (round % 4 == 0 ? world.sidecar() : world.app(round % 3 == 0 ? 0 : 1)).Kill();
    world.Supervise(absl::Milliseconds(200));
  }
  callers.Finish();
  callers.CheckRecords();
  ExpectNoRecordedBodyRanAgain(world);
}

// Enough workflows for batches that PostgreSQL is sent before the ones before them are committed.
class CrowdTest : public ::testing::TestWithParam<std::string> {};

TEST_P(CrowdTest, TwoBatchesAreUnderWayWhenTheSidecarIsStruckAndNoBodyRunsTwice) {
  World world(DatabaseKind::kPostgres);
  world.StartSidecar(GetParam());
  world.StartApp();
  Callers callers(world, 40);
  callers.Finish();
  callers.CheckRecords();
  ExpectEachBodyRanOnce(world);
  ExpectStruck(world);
}

INSTANTIATE_TEST_SUITE_P(Points, CrowdTest,
                         ::testing::Values("behind:start:1:kill", "behind:step:1:kill", "behind:step:3:stop",
                                           "behind:completion:1:kill"),
                         [](const auto& test) { return TestName(test.param); });

TEST_P(CrashTest, AStartWithAGeneratedIdIsOneWorkflowThoughTheSidecarDiesBeforeItsAnswer) {
  World world(GetParam());
  world.StartSidecar("after:start:1:kill");
  world.StartApp();
  std::atomic<bool> done{false};
  std::thread caller([&] {
    dbos::Client client({.sidecar_address = world.address()});
    EXPECT_FALSE(client.start<std::vector<std::string>>("ledger", {}, kSteps).result(std::chrono::seconds(75)).empty());
    done = true;
  });
  while (!done) world.Supervise(absl::Milliseconds(50));
  caller.join();
  EXPECT_GE(world.restarts(), 1) << "the fault did not strike";
  const auto ledger = world.Ledger();
  EXPECT_EQ(std::count_if(ledger.begin(), ledger.end(), [](const auto& entry) { return entry.first.ends_with(" s0"); }),
            1)
      << world.Logs();
}

INSTANTIATE_TEST_SUITE_P(Newest, CrashTest, ::testing::Values(DatabaseKind::kPostgres18),
                         [](const auto& test) { return ToString(test.param); });
INSTANTIATE_TEST_SUITE_P(Databases, CrashTest, ValuesIn(TestDatabaseKinds()),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
