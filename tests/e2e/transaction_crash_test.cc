// Single points at which a transaction is struck: the app, the sidecar or the connection goes away at the worst moment.
// Each transfer is there once, with the result that its caller saw.
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "tests/e2e/bank.h"
#include "tests/e2e/ledger_checks.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::Fault;
using dbos::testing::PgProxy;
using ::testing::Combine;
using ::testing::Values;
using ::testing::ValuesIn;

constexpr absl::Duration kPatience = absl::Seconds(20);
// Well under the idle limit of a transaction, 5 s.
constexpr absl::Duration kAtOnce = absl::Seconds(2);
constexpr int kFails = 0;  // the numbers of a transfer that fails in "keep", and of one that does not
constexpr int kSucceeds = 1;

std::vector<Place> OnPostgres() {
  std::vector<Place> places = Places();
  std::erase(places, Place::kSqlite);
  return places;
}

// ---------------------------------------------------------------- the sidecar is struck, the app lives
struct SidecarFault {
  std::string fault;
  int number;
};
class SidecarStruckTest : public ::testing::TestWithParam<std::tuple<Place, SidecarFault>> {};

TEST_P(SidecarStruckTest, TheTransferIsThereOnce) {
  const auto& [place, struck] = GetParam();
  Bank bank(place);
  bank.Open(struck.fault);
  TransferOnce(bank, struck.number);
  ExpectStruck(bank);
}

// The statements of a transfer: 1 to 4 of "move", 5 of "keep", 6 of "list"; its commits: 1 of "move", 2 of "keep". The
// writer's first step is "list", the failure of "keep", or, of two databases, the row that follows "move".
INSTANTIATE_TEST_SUITE_P(
    Points, SidecarStruckTest,
    Combine(ValuesIn(Places()),
            Values(SidecarFault{"before:tx_statement:1:kill", kSucceeds},
                   SidecarFault{"after:tx_statement:3:kill", kSucceeds},
                   SidecarFault{"before:tx_commit:1:kill", kSucceeds},
                   SidecarFault{"after:tx_commit:1:kill", kSucceeds}, SidecarFault{"after:tx_commit:1:stop", kSucceeds},
                   SidecarFault{"before:tx_execute:1:kill", kSucceeds},
                   SidecarFault{"after:tx_execute:1:kill", kSucceeds},
                   SidecarFault{"after:tx_commit:2:kill", kSucceeds}, SidecarFault{"after:tx_statement:5:kill", kFails},
                   SidecarFault{"after:step:1:kill", kFails}, SidecarFault{"after:tx_statement:6:kill", kSucceeds},
                   SidecarFault{"after:step:1:kill", kSucceeds})),
    [](const auto& test) {
      const SidecarFault& struck = std::get<1>(test.param);
      return TestName(ToString(std::get<0>(test.param)) + "_" + struck.fault +
                      (struck.number == kFails ? "_fails" : ""));
    });

// PostgreSQL was sent everything and goes on with it.
INSTANTIATE_TEST_SUITE_P(Halves, SidecarStruckTest,
                         Combine(ValuesIn(OnPostgres()), Values(SidecarFault{"during:tx_statement:3:kill", kSucceeds},
                                                                SidecarFault{"during:tx_commit:1:kill", kSucceeds},
                                                                SidecarFault{"during:tx_commit:1:stop", kSucceeds},
                                                                SidecarFault{"during:tx_commit:2:kill", kSucceeds},
                                                                SidecarFault{"during:tx_execute:1:kill", kSucceeds})),
                         [](const auto& test) {
                           return TestName(ToString(std::get<0>(test.param)) + "_" + std::get<1>(test.param).fault);
                         });

// ---------------------------------------------------------------- the app is struck in the body
using AppStrike = std::tuple<Place, std::string>;
class AppStruckTest : public ::testing::TestWithParam<AppStrike> {};

TEST_P(AppStruckTest, ItsTransactionIsRolledBackAtOnce) {
  const auto& [place, point] = GetParam();
  Bank bank(place);
  bank.Open("", {"kill", point});
  Transfers transfer(bank, 1, kSucceeds);
  ASSERT_NE(bank.world().app(0).Wait(kPatience), -1) << bank.world().Logs();
  EXPECT_TRUE(bank.CanUpdate(1, kAtOnce)) << "locked by a transaction whose app is dead";
  EXPECT_TRUE(bank.CanUpdate(2, kAtOnce));
  EXPECT_EQ(bank.Ask("SELECT count(*) FROM ledger"), std::vector<std::string>{"0"});
  transfer.Finish();
  transfer.Check();
  ExpectStruck(bank);
}

INSTANTIATE_TEST_SUITE_P(Points, AppStruckTest, Combine(ValuesIn(Places()), Values("read", "debit", "end")),
                         [](const auto& test) {
                           return ToString(std::get<0>(test.param)) + "_" + std::get<1>(test.param);
                         });

// ---------------------------------------------------------------- an app that hangs, and one that comes back
class HangingAppTest : public ::testing::TestWithParam<Place> {
 protected:
  void StopInATransaction(int timeout_ms, int idle_ms) {
    bank_.Open("", {"stop", "noted"});
    handle_.emplace(client_.start<std::string>("note", {.workflow_id = "n"}, true, timeout_ms, idle_ms));
    ASSERT_TRUE(bank_.world().app(0).WaitStopped(kPatience)) << bank_.world().Logs();
  }

  Bank bank_{GetParam()};
  dbos::Client client_{{.sidecar_address = bank_.world().address()}};
  std::optional<dbos::WorkflowHandle<std::string>> handle_;
};

TEST_P(HangingAppTest, TheIdleLimitFreesItsLocksAndItsCommitIsToldSoAndItRunsAgain) {
  StopInATransaction(30'000, 300);
  EXPECT_TRUE(bank_.CanUpdate(0, kAtOnce));
  bank_.world().app(0).Continue();
  const std::string nonce = handle_->result(std::chrono::seconds(20));
  EXPECT_TRUE(nonce.ends_with(".2")) << nonce << ": the second run of the body";
  EXPECT_EQ(bank_.Ask("SELECT nonce FROM ledger"), std::vector<std::string>{nonce});
}

TEST_P(HangingAppTest, WhenItsTimeIsOverTooItFailsAndLeavesNothing) {
  StopInATransaction(500, 300);
  const absl::Duration stopped = SinceBoot();
  EXPECT_TRUE(bank_.CanUpdate(0, kAtOnce));
  ASSERT_TRUE(Eventually(kPatience, [&] { return SinceBoot() > stopped + absl::Milliseconds(500); }));
  bank_.world().app(0).Continue();
  EXPECT_THROW(handle_->result(std::chrono::seconds(20)), dbos::WorkflowError);
  EXPECT_EQ(bank_.Ask("SELECT count(*) FROM ledger"), std::vector<std::string>{"0"});
  const auto steps = client_.steps("n");
  ASSERT_EQ(steps.size(), 1U);
  ASSERT_TRUE(steps[0].error.has_value());
  EXPECT_EQ(steps[0].error->name, "TransactionTimeout");
  EXPECT_NE(steps[0].error->message.find("idle_timeout"), std::string::npos) << steps[0].error->message;
}

INSTANTIATE_TEST_SUITE_P(Places, HangingAppTest, ValuesIn(Places()),
                         [](const auto& test) { return ToString(test.param); });

// Two apps are in the body of the same step. The first one's workflow was taken from it.
class ZombieTest : public ::testing::TestWithParam<std::tuple<Place, std::string>> {
 protected:
  // Of users' transactions; the writer's are never idle for long.
  bool AtMostAreOpen(int count) {
    return Eventually(kPatience, [&] {
      return bank_.Ask(
                 "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname ="
                 " current_database()") <= std::vector<std::string>{std::to_string(count)};
    });
  }

  Bank bank_{std::get<0>(GetParam())};
};

TEST_P(ZombieTest, CannotCommitOrItsCommitIsTheOneThatReplays) {
  const auto& [place, point] = GetParam();
  const bool in_transaction = point == "noted";
  bank_.Open("", {"stop", "noted"}, {"--ping-timeout", "1"});
  World& world = bank_.world();
  dbos::Client client({.sidecar_address = world.address()});
  auto handle = client.start<std::string>("note", {.workflow_id = "n"}, false, 30'000, 60'000);
  ASSERT_TRUE(world.app(0).WaitStopped(kPatience)) << world.Logs();
  world.StartApp({"stop", point});
  ASSERT_TRUE(world.app(1).WaitStopped(kPatience)) << "it was not taken over\n" << world.Logs();
  world.app(0).Continue();
  ASSERT_TRUE(AtMostAreOpen(in_transaction ? 1 : 0)) << world.Logs();
  const auto committed = bank_.Ask("SELECT nonce FROM ledger");
  EXPECT_TRUE(place != Place::kOneDatabase || committed.empty());
  world.app(1).Continue();
  const std::string nonce = handle.result(std::chrono::seconds(20));
  EXPECT_EQ(nonce, committed.empty() ? std::to_string(world.app(1).pid()) + ".1" : committed[0]) << world.Logs();
  EXPECT_EQ(bank_.Ask("SELECT nonce FROM ledger"), std::vector<std::string>{nonce});
  EXPECT_TRUE(world.app(0).Running());
}

INSTANTIATE_TEST_SUITE_P(Points, ZombieTest, Combine(ValuesIn(OnPostgres()), Values("began", "noted")),
                         [](const auto& test) {
                           return ToString(std::get<0>(test.param)) + "_" + std::get<1>(test.param);
                         });

}  // namespace
}  // namespace dbos::sidecar
