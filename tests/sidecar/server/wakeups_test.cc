// The sidecars of one application wake each other, and nobody else.
#include "sidecar/server/wakeups.h"

#include <regex>

#include <gtest/gtest.h>
#include <httplib.h>

#include "sidecar/base/mutex.h"
#include "tests/sidecar/server/program.h"
#include "tests/sidecar/server/temporary_directory.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

TEST(WakeupPayloadTest, IsForTheOtherSidecarsOfTheSameApplicationAndSchema) {
  const WakeupSender self = {"shop", "me", "dbos"};
  EXPECT_TRUE(IsWakeupFor(self, WakeupPayload({"shop", "other", "dbos"})));
  EXPECT_FALSE(IsWakeupFor(self, WakeupPayload(self)));
  EXPECT_FALSE(IsWakeupFor(self, WakeupPayload({"shop2", "other", "dbos"})));
  EXPECT_FALSE(IsWakeupFor(self, WakeupPayload({"shop", "other", "dbos2"})));
  EXPECT_FALSE(IsWakeupFor(self, WakeupPayload({"shop", "other", "my dbos"})));
  EXPECT_TRUE(IsWakeupFor({"shop", "me", "my dbos"}, WakeupPayload({"shop", "other", "my dbos"})));
  for (const char* foreign : {"", " ", "  ", "shop", "shop ", "shop other", "dbos_listen_selftest",
                              "dbos_listen_selftest 4c5d8d1e", "workflow::topic"}) {
    EXPECT_FALSE(IsWakeupFor(self, foreign)) << foreign;
  }
}

// A sidecar as far as wake-ups go.
class Peer {
 public:
  Peer(const TestDatabase& database, const std::string& executor, const std::string& application = "shop",
       const std::string& schema = "dbos") {
    Config config;
    config.name = application;
    config.schema = schema;
    config.system_database_url = database.url();
    wakeups_ = *Wakeups::Open(config, executor);
    wakeups_->Hear([this] {
      const MutexLock lock(mu_);
      ++heard_;
      changed_.NotifyAll();
    });
    EXPECT_TRUE(HearsMoreThan(0)) << "what was told before it listened may have been missed";
    EXPECT_TRUE(wakeups_->arrive());
  }

  void Tell() { wakeups_->Tell(); }
  bool HearsMoreThan(int times) {
    const absl::Time until = absl::Now() + kPatience;
    const MutexLock lock(mu_);
    while (heard_ <= times && absl::Now() < until) changed_.WaitFor(mu_, absl::Milliseconds(50));
    return heard_ > times;
  }
  int heard() {
    const MutexLock lock(mu_);
    return heard_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int heard_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<Wakeups> wakeups_;  // last: it calls back
};

TEST(WakeupsTest, WhatOneTellsTheOthersOfItsApplicationHear) {
  const auto database = TestDatabase::Create(DatabaseKind::kPostgres);
  Peer teller(*database, "one");
  Peer second(*database, "two");
  Peer third(*database, "three");
  Peer other_application(*database, "four", "bank");
  Peer other_schema(*database, "five", "shop", "dbos2");
  teller.Tell();
  EXPECT_TRUE(second.HearsMoreThan(1));
  EXPECT_TRUE(third.HearsMoreThan(1));
  second.Tell();
  EXPECT_TRUE(teller.HearsMoreThan(1));
  // They arrive in order: who hears this has heard what was sent before.
  third.Tell();
  EXPECT_TRUE(teller.HearsMoreThan(2));
  EXPECT_EQ(teller.heard(), 3) << "it does not wake itself";
  Peer(*database, "six", "bank").Tell();
  Peer(*database, "seven", "shop", "dbos2").Tell();
  EXPECT_TRUE(other_application.HearsMoreThan(1));
  EXPECT_TRUE(other_schema.HearsMoreThan(1));
  EXPECT_EQ(other_application.heard(), 2);
  EXPECT_EQ(other_schema.heard(), 2);
}

TEST(WakeupsTest, ThereAreNoneOnSqliteOrWhereTheyAreNotWanted) {
  Config config;
  config.name = "shop";
  config.system_database_url = "sqlite:///:memory:";
  EXPECT_EQ(*Wakeups::Open(config, "one"), nullptr);
  config.system_database_url = "postgresql://localhost/shop";
  config.use_listen_notify = false;
  EXPECT_EQ(*Wakeups::Open(config, "one"), nullptr);
}

class WakeupMetricTest : public ::testing::Test {
 protected:
  // What its metric says when it is `wanted`, or in the end.
  std::string Metric(const std::vector<std::string>& flags, const std::string& wanted) {
    std::vector<std::string> command = {"serve",          "--name", "shop",       "--database",
                                        database_->url(), "--http", "127.0.0.1:0"};
    command.insert(command.end(), flags.begin(), flags.end());
    Program sidecar(directory_, "serve", command);
    EXPECT_TRUE(sidecar.Prints("sidecar is ready")) << sidecar.Output();
    std::smatch address;
    const std::string output = sidecar.Output();
    EXPECT_TRUE(std::regex_search(output, address, std::regex("http[=:\" ]+(127\\.0\\.0\\.1:[0-9]+)"))) << output;
    httplib::Client client("http://" + address[1].str());
    std::string line;
    for (const absl::Time until = absl::Now() + kPatience; line != wanted && absl::Now() < until;) {
      const std::string body = client.Get("/metrics")->body;
      const std::size_t begin = body.find("\ndbos_wakeups_arrive ");
      if (begin != std::string::npos) line = body.substr(begin + 1, body.find('\n', begin + 1) - begin - 1);
    }
    listeners_ = database_->Query(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")[0];
    sidecar.Send(SIGTERM);
    EXPECT_EQ(sidecar.Wait(), 0) << sidecar.Output();
    return line;
  }

  const TemporaryDirectory directory_;
  std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(DatabaseKind::kPostgres);
  std::string listeners_;
};

TEST_F(WakeupMetricTest, SaysWhetherOthersCanWakeIt) {
  EXPECT_EQ(Metric({}, "dbos_wakeups_arrive 1"), "dbos_wakeups_arrive 1");
  EXPECT_NE(listeners_, "0");
}

TEST_F(WakeupMetricTest, AndThatItIsNotWanted) {
  EXPECT_EQ(Metric({"--listen-notify", "off"}, "dbos_wakeups_arrive 0"), "dbos_wakeups_arrive 0");
  EXPECT_EQ(listeners_, "0");
}

}  // namespace
}  // namespace dbos::sidecar
