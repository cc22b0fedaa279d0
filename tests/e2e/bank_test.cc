// Many transfers between few accounts while processes, connections and servers die: no money is lost or made, each
// transfer is in the ledger once, and what is recorded is what is there.
#include "tests/e2e/bank.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/e2e/postgres_server.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::Fault;

constexpr Fault kFaults[] = {Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer};

class BankTest : public ::testing::TestWithParam<Place> {};

TEST_P(BankTest, TransfersAreThereOnceThoughAppsAndSidecarAreKilledAtRandom) {
  Bank bank(GetParam());
  bank.Open();
  bank.world().StartApp();
  Transfers transfers(bank, 120);
  std::mt19937 random(1);
  int kills = 0;
  for (int round = 0; round < 8 && !transfers.ended(); ++round) {
    // At work again, and some of it done.
    const int wanted = transfers.results() + 2;
    Eventually(absl::Seconds(5), [&] {
      bank.world().Supervise(absl::Milliseconds(10));
      return transfers.ended() || transfers.results() >= wanted;
    });
    const auto who = random() % 3;
    (who == 0 ? bank.world().sidecar() : bank.world().app(who - 1)).Kill();
    ++kills;
  }
  transfers.Finish();
  transfers.Check();
  EXPECT_GE(kills, 4) << "they ended before they met enough kills";
}

TEST_P(BankTest, ConflictsOnTwoAccountsAllSucceedInTheEnd) {
  Bank bank(GetParam());
  bank.Open();
  bank.world().StartApp();
  std::vector<dbos::WorkflowHandle<std::string>> handles;
  dbos::Client client({.sidecar_address = bank.world().address()});
  for (int n = 0; n < 60; ++n) {
    handles.push_back(client.start<std::string>("transfer", {}, n % 2, 1 - n % 2, 1, false));
  }
  for (auto& handle : handles) EXPECT_FALSE(handle.result(std::chrono::seconds(60)).empty());
  EXPECT_EQ(bank.Ask("SELECT sum(balance) FROM accounts WHERE id < 2"),
            std::vector<std::string>{std::to_string(2 * Bank::kBalance)});
  EXPECT_EQ(bank.Ask("SELECT count(DISTINCT workflow) FROM ledger"), std::vector<std::string>{"60"});
  EXPECT_EQ(bank.Ask("SELECT count(*) FROM ledger"), std::vector<std::string>{"60"});
}

INSTANTIATE_TEST_SUITE_P(Places, BankTest, ::testing::ValuesIn(Places()),
                         [](const auto& test) { return ToString(test.param); });

class BankOnPostgresTest : public ::testing::TestWithParam<Place> {};

TEST_P(BankOnPostgresTest, TransfersAreThereOnceThoughCommitsAreDroppedAtRandom) {
  Bank bank(GetParam());
  dbos::testing::PgProxy& proxy = bank.PutProxyBetween();
  bank.Open();
  ASSERT_TRUE(bank.world().AppsWrote("ready")) << bank.world().Logs();
  proxy.ResetCounts();
  std::mt19937 random(1);  // the same drops each time; what they hit differs
  Transfers transfers(bank, 150);
  int drops = 0;
  for (int round = 0; round < 30 && !transfers.ended(); ++round) {
    const int times = static_cast<int>(random() % 3) + 1;
    // Every other order is for the commits that hold a record of a transaction.
    proxy.Arm({.fault = kFaults[random() % 3],
               .mentions = round % 2 == 0 ? "" : "ISOLATION LEVEL",
               .skip = static_cast<int>(random() % 4) + 1,
               .times = times});
    Eventually(absl::Seconds(20), [&] { return transfers.ended() || proxy.counts().faults >= drops + times; });
    drops = static_cast<int>(proxy.counts().faults);
    if (round % 5 == 4) proxy.DropAll();
  }
  proxy.Disarm();
  transfers.Finish();
  transfers.Check();
  EXPECT_GE(drops, 20) << "they ended before they met enough drops";
  EXPECT_EQ(bank.world().restarts(), 0) << bank.world().Logs();
}

TEST_P(BankOnPostgresTest, TransfersAreThereOnceThoughTheServerIsRestarted) {
  PostgresServer server;
  server.Start();
  Bank bank(GetParam(), server.Url());
  bank.Open();
  Transfers transfers(bank, 120);
  for (int round = 0; round < 3; ++round) {
    const int wanted = transfers.results() + 5;
    Eventually(absl::Seconds(20), [&] { return transfers.ended() || transfers.results() >= wanted; });
    EXPECT_FALSE(transfers.ended()) << "they ended before the restart";
    if (round == 1) {
      server.Kill();
    } else {
      server.Stop(round == 0 ? PostgresServer::Mode::kFast : PostgresServer::Mode::kImmediate);
    }
    server.Start();
  }
  transfers.Finish();
  transfers.Check();
  EXPECT_EQ(bank.world().restarts(), 0) << bank.world().Logs();
}

INSTANTIATE_TEST_SUITE_P(Places, BankOnPostgresTest, ::testing::Values(Place::kOneDatabase, Place::kTwoDatabases),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
