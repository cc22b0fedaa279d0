// A reconnect, interrupted at each of its steps: the sidecar dies or pauses again while the app comes back to it, or
// the app dies, pauses, or oversleeps its time.
//
//   sidecar away -> sidecar back -> Hello -> adoption commits -> Welcome -> resend
#include <algorithm>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using ::testing::Combine;
using ::testing::ValuesIn;
using Faults = std::vector<std::string>;

constexpr int kWorkflows = 3;
constexpr absl::Duration kPatience = absl::Seconds(20);

// ---------------------------------------------------------------- the sidecar is struck again, the app lives
// The faults of one sidecar after the other.
class SidecarReconnectTest : public ::testing::TestWithParam<std::tuple<DatabaseKind, Faults>> {};

TEST_P(SidecarReconnectTest, TheAppCarriesOnAndNoBodyRunsTwice) {
  const auto& [kind, faults] = GetParam();
  World world(kind);
  world.PlanFaults({faults.begin() + 1, faults.end()});
  world.StartSidecar(faults.front());
  world.StartApp();
  Callers callers(world, kWorkflows);
  callers.Finish();
  callers.CheckRecords();
  ExpectEachBodyRanOnce(world);
  const auto kills =
      std::count_if(faults.begin(), faults.end(), [](const auto& one) { return one.ends_with(":kill"); });
  EXPECT_EQ(world.restarts(), kills) << "a fault did not strike";
  EXPECT_EQ(world.continuations(), static_cast<int>(faults.size()) - kills) << "a fault did not strike";
}

std::string NameOf(const Faults& faults) {
  std::string name;
  for (const std::string& fault : faults) name += (name.empty() ? "" : "_then_") + fault;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Points, SidecarReconnectTest,
                         Combine(ValuesIn(TestDatabaseKinds()),
                                 ValuesIn(std::vector<Faults>{
                                     {"before:step:2:kill", "before:adopt:1:kill"},
                                     {"after:step:2:kill", "after:adopt:1:kill"},
                                     {"after:step:2:kill", "before:adopt:1:stop"},
                                     {"before:step:2:kill", "after:adopt:1:stop"},
                                     {"before:step:2:kill", "after:adopt:1:kill", "before:adopt:1:kill"},
                                     {"before:step:2:kill", "before:step:1:kill", "before:step:1:kill"},
                                     {"after:step:2:kill", "after:step:1:kill", "after:step:1:kill"}})),
                         [](const auto& test) {
                           return TestName(ToString(std::get<0>(test.param)) + "_" + NameOf(std::get<1>(test.param)));
                         });

class SleepTest : public ::testing::TestWithParam<DatabaseKind> {};

// Stopped as a whole, like a virtual machine: when it wakes up, everybody has been silent for longer than a ping may
// take, the sidecar looks at that first, and no connection was lost.
TEST_P(SleepTest, ASidecarThatOversleepsGivesNothingAway) {
  World world(GetParam());
  world.StartSidecar("before:step:2:stop", {"--ping-timeout", "2"});
  for (int apps = 0; apps < 2; ++apps) world.StartApp();  // one could take over from the other
  Callers callers(world, 1);
  ASSERT_TRUE(world.sidecar().WaitStopped(kPatience)) << world.Logs();
  for (std::size_t app = 0; app < 2; ++app) world.app(app).Stop();
  Pause(absl::Milliseconds(3000));  // also longer than the apps wait for a word before they connect again
  world.sidecar().Continue();
  // Its start is committed: the engine has looked at the time.
  dbos::Client({.sidecar_address = world.address()}).start<int>("of_no_app", {});
  for (std::size_t app = 0; app < 2; ++app) world.app(app).Continue();
  callers.Finish();
  callers.CheckRecords();
  ExpectEachBodyRanOnce(world);
  const std::string logs = world.Logs();
  EXPECT_EQ(logs.find("moved to another process"), std::string::npos) << logs;
  EXPECT_EQ(logs.find("handed back"), std::string::npos) << logs;
  EXPECT_EQ(world.restarts(), 0) << logs;
}

INSTANTIATE_TEST_SUITE_P(Databases, SleepTest, ValuesIn(TestDatabaseKinds()),
                         [](const auto& test) { return ToString(test.param); });

class WelcomeTest : public ::testing::TestWithParam<DatabaseKind> {};

// The Welcome is on the app's side, the app has not said anything since: nothing of it counts any more.
TEST_P(WelcomeTest, TheSidecarDiesRightAfterItTwiceInARow) {
  World world(GetParam());
  world.StartSidecar("before:step:2:kill");
  Process& app = world.app(world.StartApp({}, "stop:welcome:2,stop:welcome:3"));
  Callers callers(world, kWorkflows);
  ASSERT_NE(world.sidecar().Wait(kPatience), -1);
  for (int round = 0; round < 2; ++round) {
    world.StartSidecar();
    ASSERT_TRUE(app.WaitStopped(kPatience)) << world.Logs();
    world.sidecar().Kill();
    ASSERT_NE(world.sidecar().Wait(kPatience), -1);
    app.Continue();
  }
  callers.Finish();
  callers.CheckRecords();
  ExpectEachBodyRanOnce(world);
}

INSTANTIATE_TEST_SUITE_P(Databases, WelcomeTest, ValuesIn(TestDatabaseKinds()),
                         [](const auto& test) { return ToString(test.param); });

// ---------------------------------------------------------------- the app is struck
// Where in the reconnect: a fault of the app, or of the sidecar that it comes back to.
struct Moment {
  std::string name;
  std::string app_fault;
  std::string sidecar_fault;
};
void PrintTo(const Moment& moment, std::ostream* out) {
  *out << moment.name;
}
const std::vector<Moment> kMoments = {{"hello_not_sent", "stop:hello:2", ""},
                                      {"hello_received", "", "before:adopt:1:stop"},
                                      {"adoption_committed", "", "after:adopt:1:stop"},
                                      {"welcome_not_read", "stop:welcome:2", ""},
                                      {"resend_not_sent", "stop:resend:2", ""}};

class AppReconnectTest : public ::testing::TestWithParam<std::tuple<DatabaseKind, Moment>> {
 protected:
  // The second sidecar is there and the reconnect stands still at the moment: the app is stopped, the sidecar too if it
  // is the sidecar's moment.
  void Reach(const std::vector<std::string>& flags = {}) {
    const Moment& moment = std::get<1>(GetParam());
    world_.StartSidecar("after:step:2:kill", flags);
    world_.StartApp({}, moment.app_fault);
    callers_.emplace(world_, kWorkflows);
    ASSERT_NE(world_.sidecar().Wait(kPatience), -1);
    world_.StartSidecar(moment.sidecar_fault, flags);
    ASSERT_TRUE(world_.SidecarsWrote("sidecar is ready", 2)) << world_.Logs();
    if (moment.sidecar_fault.empty()) {
      ASSERT_TRUE(world_.app(0).WaitStopped(kPatience)) << world_.Logs();
    } else {
      ASSERT_TRUE(world_.sidecar().WaitStopped(kPatience)) << world_.Logs();
      world_.app(0).Stop();
    }
  }

  World world_{std::get<0>(GetParam())};
  std::optional<Callers> callers_;
};

TEST_P(AppReconnectTest, AnAppThatPausesCarriesOnAndNoBodyRunsTwice) {
  ASSERT_NO_FATAL_FAILURE(Reach());
  world_.sidecar().Continue();
  world_.app(0).Continue();
  callers_->Finish();
  callers_->CheckRecords();
  ExpectEachBodyRanOnce(world_);
  EXPECT_EQ(world_.restarts(), 0) << world_.Logs();
}

TEST_P(AppReconnectTest, AnAppThatDiesLosesNothingThatWasRecorded) {
  ASSERT_NO_FATAL_FAILURE(Reach());
  world_.app(0).Kill();
  world_.sidecar().Continue();
  callers_->Finish();
  callers_->CheckRecords();
  ExpectNoRecordedBodyRanAgain(world_);
  EXPECT_EQ(world_.restarts(), 1) << world_.Logs();
}

// Its executions are given away while it sleeps; when it wakes up it gets them anew, and what it still holds of the old
// ones writes nothing.
TEST_P(AppReconnectTest, AnAppThatOversleepsStartsOverFromWhatWasRecorded) {
  ASSERT_NO_FATAL_FAILURE(Reach({"--ping-timeout", "1"}));
  world_.sidecar().Continue();
  EXPECT_TRUE(Eventually(kPatience, [this] {
    return WorkflowsThatAre(world_, dbos::WorkflowStatus::kPending).empty() &&
           WorkflowsThatAre(world_, dbos::WorkflowStatus::kEnqueued).size() >= kWorkflows;
  })) << world_.Logs();
  world_.app(0).Continue();
  callers_->Finish();
  callers_->CheckRecords();
  ExpectNoRecordedBodyRanAgain(world_);
  EXPECT_EQ(world_.restarts(), 0) << world_.Logs();
}

INSTANTIATE_TEST_SUITE_P(Moments, AppReconnectTest, Combine(ValuesIn(TestDatabaseKinds()), ValuesIn(kMoments)),
                         [](const auto& test) {
                           return TestName(ToString(std::get<0>(test.param)) + "_" + std::get<1>(test.param).name);
                         });

}  // namespace
}  // namespace dbos::sidecar
