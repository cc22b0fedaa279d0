// Transactions of one statement that share a commit, while the sidecar or the connection goes away at the worst moment
// and statements of theirs fail: each is there once, and its caller has seen it.
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/bank.h"
#include "tests/e2e/ledger_checks.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::Fault;
using ::testing::Combine;
using ::testing::Values;

constexpr int kWorkflows = 40;
constexpr char kGroup[] = "lock_timeout";  // is set in transactions of groups, and in no other

// Where the record is in the same database: the others have no groups.
std::vector<Place> PlacesWithGroups() {
  std::vector<Place> places = Places();
  std::erase(places, Place::kTwoDatabases);
  return places;
}

using Struck = std::tuple<Place, std::string>;
class GroupStruckTest : public ::testing::TestWithParam<Struck> {};

TEST_P(GroupStruckTest, EveryEntryIsThereOnce) {
  const auto& [place, fault] = GetParam();
  Bank bank(place);
  bank.world().StartSidecar(fault);
  Entries entries(bank, kWorkflows);
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return entries.started(); })) << bank.world().Logs();
  bank.world().StartApp();  // that has many to run at once
  entries.Finish();
  entries.Check();
  ExpectStruck(bank);
}

std::string NameOf(const ::testing::TestParamInfo<Struck>& test) {
  return TestName(ToString(std::get<0>(test.param)) + "_" + std::get<1>(test.param));
}

INSTANTIATE_TEST_SUITE_P(Points, GroupStruckTest,
                         Combine(::testing::ValuesIn(PlacesWithGroups()),
                                 Values("before:tx_group:1:kill", "after:tx_group:1:kill")),
                         NameOf);
// PostgreSQL was sent everything and goes on with it.
INSTANTIATE_TEST_SUITE_P(Halves, GroupStruckTest,
                         Combine(Values(Place::kOneDatabase),
                                 Values("during:tx_group:1:kill", "during:tx_group:2:stop", "after:tx_group:2:stop")),
                         NameOf);

// ---------------------------------------------------------------- the answer to the commit is lost
class GroupCommitLostTest : public ::testing::TestWithParam<Fault> {};

TEST_P(GroupCommitLostTest, EveryEntryIsThereOnce) {
  Bank bank(Place::kOneDatabase);
  dbos::testing::PgProxy& proxy = bank.PutProxyBetween();
  bank.Open();
  ASSERT_TRUE(bank.world().AppsWrote("ready")) << bank.world().Logs();
  proxy.ResetCounts();
  proxy.Arm({.fault = GetParam(), .mentions = kGroup, .skip = 1, .times = 3});
  Entries entries(bank, kWorkflows);
  entries.Finish();
  EXPECT_GE(proxy.counts().faults, 1) << "no group was hit";
  entries.Check();
  EXPECT_EQ(bank.world().restarts(), 0) << bank.world().Logs();
}

INSTANTIATE_TEST_SUITE_P(Faults, GroupCommitLostTest,
                         Values(Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer),
                         [](const auto& test) { return std::to_string(static_cast<int>(test.param)); });

// ---------------------------------------------------------------- one of them fails
class GroupFailsTest : public ::testing::TestWithParam<Place> {};

TEST_P(GroupFailsTest, WhoFailsFailsAloneAndTheOthersSucceed) {
  Bank bank(GetParam());
  bank.Ask("CREATE UNIQUE INDEX once ON ledger (nonce)");
  bank.Open();
  dbos::Client client({.sidecar_address = bank.world().address()});
  std::vector<dbos::WorkflowHandle<std::string>> handles;
  for (int n = 0; n < kWorkflows; ++n) handles.push_back(client.start<std::string>("claims", {}, n % 4));
  int claimed = 0;
  for (auto& handle : handles) {
    const std::string result = handle.result(std::chrono::seconds(30));
    if (result == "claimed") {
      ++claimed;
    } else {
      EXPECT_EQ(result, "23505");
    }
  }
  EXPECT_EQ(claimed, 4) << "each nonce has one claimant";
  EXPECT_EQ(bank.Ask("SELECT count(*) FROM ledger"), std::vector<std::string>{"4"});
  EXPECT_EQ(bank.Ask("SELECT count(*) FROM audit"), std::vector<std::string>{std::to_string(kWorkflows)});
}

INSTANTIATE_TEST_SUITE_P(Places, GroupFailsTest, ::testing::ValuesIn(Places()),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
