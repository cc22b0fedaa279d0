// Real processes, killed with SIGKILL and paused with SIGSTOP at the worst points, on each database. The ledger shows
// what ran how often: nothing twice that was recorded, and nothing that was recorded is lost.
#include <atomic>
#include <thread>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using ::testing::Combine;
using ::testing::ValuesIn;

constexpr int kSteps = 4;
const std::vector<std::string> kNames = {"s0", "s1", "s2", "s3", "left", "right", "c0", "last"};

// Starts the workflow from outside and supervises until it has ended.
std::vector<std::string> RunToTheEnd(World& world, const std::string& id) {
  std::vector<std::string> seen;
  std::atomic<bool> done{false};
  std::thread caller([&] {
    dbos::Client client({.sidecar_address = world.address()});
    for (int tries = 0; tries < 300 && !done; ++tries) {
      try {
        auto handle = client.start<std::vector<std::string>>("ledger", {.workflow_id = id}, kSteps);
        seen = handle.result(std::chrono::seconds(60));
        done = true;
      } catch (const dbos::SidecarUnavailable&) {
        Pause(absl::Milliseconds(50));
      } catch (const dbos::Error& error) {
        ADD_FAILURE() << error.what();
        done = true;
      }
    }
    done = true;
  });
  const absl::Duration end = SinceBoot() + absl::Seconds(75);
  while (!done && SinceBoot() < end) world.Supervise(absl::Milliseconds(50));
  EXPECT_TRUE(done) << world.Logs();
  caller.join();
  return seen;
}

// What the code saw is what is recorded, and is in the ledger under the right name.
void CheckRecords(World& world, const std::string& id, const std::vector<std::string>& seen) {
  ASSERT_EQ(seen.size(), kNames.size()) << world.Logs();
  dbos::Client client({.sidecar_address = world.address()});
  std::map<std::string, std::string> recorded;
  for (const std::string& workflow : {id, id + "-6"}) {
    for (const dbos::StepInfo& step : client.steps(workflow)) {
      if (!step.output) continue;
      EXPECT_TRUE(recorded.emplace(step.name, *step.output).second) << step.name << " twice";
    }
  }
  const auto ledger = world.Ledger();
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    EXPECT_EQ(recorded[kNames[i]], "\"" + seen[i] + "\"") << kNames[i];
    const std::string key = (kNames[i] == "c0" ? id + "-6 " : id + " ") + kNames[i];
    ASSERT_TRUE(ledger.contains(key)) << key << "\n" << world.Logs();
    const auto& runs = ledger.at(key);
    EXPECT_NE(std::find(runs.begin(), runs.end(), seen[i]), runs.end()) << key << " " << seen[i];
  }
}

void ExpectEachBodyRanOnce(const World& world, const std::string& except = "") {
  for (const auto& [key, runs] : world.Ledger()) {
    const std::string step = key.substr(key.find(' ') + 1);
    if (!except.empty() && (step == except || (except == "left" && step == "right"))) {
      EXPECT_LE(runs.size(), 2U) << key;
    } else {
      EXPECT_EQ(runs.size(), 1U) << key << "\n" << world.Logs();
    }
  }
}

std::string TestName(const std::string& database, const std::string& fault) {
  std::string name = database + "_" + fault;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

// ---------------------------------------------------------------- the sidecar is struck, the app lives
using SidecarFault = std::tuple<DatabaseKind, std::string>;
class SidecarCrashTest : public ::testing::TestWithParam<SidecarFault> {};

TEST_P(SidecarCrashTest, TheAppCarriesOnAndNoBodyRunsTwice) {
  const auto& [kind, fault] = GetParam();
  World world(kind);
  world.StartSidecar(fault);
  world.StartApp();
  const auto seen = RunToTheEnd(world, "w1");
  CheckRecords(world, "w1", seen);
  ExpectEachBodyRanOnce(world);
  EXPECT_GE(world.restarts(), fault.ends_with(":kill") ? 1 : 0) << "the fault did not strike";
}

INSTANTIATE_TEST_SUITE_P(
    Points, SidecarCrashTest,
    Combine(ValuesIn(TestDatabaseKinds()),
            ValuesIn(std::vector<std::string>{
                "before:start:1:kill", "after:start:1:kill", "before:start:2:kill", "after:start:2:kill",
                "before:step:1:kill", "after:step:1:kill", "after:step:3:kill", "after:step:5:kill",
                "before:completion:1:kill", "after:completion:1:kill", "before:completion:2:kill",
                "after:completion:2:kill", "before:version:1:kill", "after:version:1:kill", "after:step:2:stop",
                "before:completion:2:stop", "after:start:1:stop"})),
    [](const auto& test) { return TestName(ToString(std::get<0>(test.param)), std::get<1>(test.param)); });

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
  const auto seen = RunToTheEnd(world, "w1");
  CheckRecords(world, "w1", seen);
  ExpectEachBodyRanOnce(world, strike.step);
  EXPECT_GE(world.restarts(), strike.action == "kill" ? 1 : 0) << "the strike did not happen";
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
                           return TestName(ToString(std::get<0>(test.param)),
                                           strike.action + "_" + strike.moment + "_" + strike.step);
                         });

// ---------------------------------------------------------------- both, and recovery's own steps
class CrashTest : public ::testing::TestWithParam<DatabaseKind> {};

TEST_P(CrashTest, AppAndSidecarDieTogetherAndTheWorkflowFinishes) {
  World world(GetParam());
  world.StartSidecar("after:step:2:kill");
  world.StartApp({"kill", "after", "s2"});
  const auto seen = RunToTheEnd(world, "w1");
  CheckRecords(world, "w1", seen);
  ExpectEachBodyRanOnce(world, "s2");
}

TEST_P(CrashTest, TheSidecarDiesBetweenClaimAndDispatch) {
  for (const std::string fault : {"before:claim:1:kill", "after:claim:1:kill", "after:recover:1:kill"}) {
    World world(GetParam());
    world.StartSidecar("after:start:1:kill");
    world.StartApp();
    dbos::Client client({.sidecar_address = world.address(), .request_timeout = std::chrono::seconds(2)});
    EXPECT_THROW(client.start<std::vector<std::string>>("ledger", {.workflow_id = "w1"}, kSteps)
                     .result(std::chrono::milliseconds(1500)),
                 dbos::Error);
    world.app(0).Kill();  // its execution is claimed by the next sidecar, which dies doing so
    world.app(0).Wait(absl::Seconds(5));
    world.sidecar().Wait(absl::Seconds(5));
    world.StartSidecar(fault);
    const auto seen = RunToTheEnd(world, "w1");
    CheckRecords(world, "w1", seen);
    ExpectEachBodyRanOnce(world);
  }
}

TEST_P(CrashTest, AHandOverSurvivesTheDeathOfTheSidecar) {
  for (const std::string fault : {"before:take_over:1:kill", "after:take_over:1:kill"}) {
    World world(GetParam());
    world.StartSidecar(fault);
    world.StartApp({"kill", "after", "s1"});
    world.StartApp({"kill", "after", "s1"});
    const auto seen = RunToTheEnd(world, "w1");
    CheckRecords(world, "w1", seen);
    for (const auto& [key, runs] : world.Ledger()) EXPECT_LE(runs.size(), key.ends_with(" s1") ? 3U : 1U) << key;
  }
}

TEST_P(CrashTest, AZombieThatWakesUpWritesNothing) {
  World world(GetParam());
  world.StartSidecar("", {"--ping-timeout", "1"});
  const std::size_t zombie = world.StartApp({"stop", "after", "s1"});
  dbos::Client client({.sidecar_address = world.address()});
  auto handle = client.start<std::vector<std::string>>("ledger", {.workflow_id = "w1"}, kSteps);
  ASSERT_TRUE(world.app(zombie).WaitStopped(absl::Seconds(10)));
  world.StartApp();
  const auto seen = handle.result(std::chrono::seconds(30));
  world.app(zombie).Continue();
  Pause(absl::Milliseconds(500));
  EXPECT_TRUE(world.app(zombie).Running());
  CheckRecords(world, "w1", seen);
  ExpectEachBodyRanOnce(world, "s1");
  EXPECT_EQ(world.Ledger().at("w1 s1").size(), 2U);
}

TEST_P(CrashTest, AnAppThatLostItsExecutionLivesOn) {
  World world(GetParam());
  world.StartSidecar("before:step:1:kill");
  world.StartApp();
  dbos::Client client({.sidecar_address = world.address(), .request_timeout = std::chrono::seconds(2)});
  EXPECT_THROW(client.start<std::vector<std::string>>("ledger", {.workflow_id = "w1"}, kSteps)
                   .result(std::chrono::milliseconds(1500)),
               dbos::Error);
  world.sidecar().Wait(absl::Seconds(5));
  world.ForgetAttachedProcesses();  // the next sidecar gives the execution away before the app is back
  const auto seen = RunToTheEnd(world, "w1");
  EXPECT_EQ(world.app(0).Wait(absl::Milliseconds(300)), -1) << world.Logs();
  EXPECT_EQ(world.restarts(), 1);
  CheckRecords(world, "w1", seen);
}

TEST_P(CrashTest, ManyWorkflowsUnderRandomKillsAllEndAndMatchTheLedger) {
  World world(GetParam());
  world.StartSidecar();
  world.StartApp();
  world.StartApp();
  constexpr int kWorkflows = 40;
  std::vector<std::vector<std::string>> seen(kWorkflows);
  std::vector<std::thread> callers;
  std::atomic<int> ended{0};
  for (int i = 0; i < kWorkflows; ++i) {
    callers.emplace_back([&, i] {
      dbos::Client client({.sidecar_address = world.address()});
      while (true) {
        try {
          auto handle =
              client.start<std::vector<std::string>>("ledger", {.workflow_id = "w" + std::to_string(i)}, kSteps);
          seen[static_cast<std::size_t>(i)] = handle.result(std::chrono::seconds(90));
          break;
        } catch (const dbos::SidecarUnavailable&) {
          Pause(absl::Milliseconds(50));
        } catch (const dbos::Error& error) {
          ADD_FAILURE() << error.what();
          break;
        }
      }
      ++ended;
    });
  }
  for (int round = 0; ended < kWorkflows && round < 400; ++round) {
    if (round < 12 && round % 2 == 0) (round % 4 == 0 ? world.sidecar() : world.app(round % 3 == 0 ? 0 : 1)).Kill();
    world.Supervise(absl::Milliseconds(200));
  }
  for (std::thread& caller : callers) caller.join();
  for (int i = 0; i < kWorkflows; ++i) {
    CheckRecords(world, "w" + std::to_string(i), seen[static_cast<std::size_t>(i)]);
  }
}

INSTANTIATE_TEST_SUITE_P(Databases, CrashTest, ValuesIn(TestDatabaseKinds()),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
