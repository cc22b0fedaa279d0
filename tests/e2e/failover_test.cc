// Servers that are restarted, killed, demoted and replaced while workflows run. Work pauses and goes on, no body runs
// twice, and nothing that was acknowledged is lost.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/health.h"
#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/postgres_server.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kCallers = 20;

class FailoverTest : public ::testing::Test {
 protected:
  explicit FailoverTest(const std::vector<std::string>& settings = {}) : server_(settings) {
    server_.Start();
    world_ = std::make_unique<World>(server_.Url());
  }

  std::string Database() const {
    const std::string url = world_->database_url();
    return url.substr(url.find("e2e_"), url.find('?') - url.find("e2e_"));
  }
  void StartBoth(const std::vector<std::string>& flags = {}) {
    world_->StartSidecar("", flags);
    world_->StartApp();
  }
  bool Becomes(Serving serving) {
    return Eventually(kPatience, [&] { return AskHealth(world_->address(), "dbos.v1") == serving; });
  }
  void Call() {
    const int first = static_cast<int>(callers_.size()) * kCallers;
    callers_.push_back(std::make_unique<Callers>(*world_, kCallers, first));
  }
  // Workflows that are under way when it returns: some bodies have run, and others have not.
  void Load() {
    constexpr int kTries = 5;  // they may be quicker than this thread
    for (int tries = 0; tries < kTries; ++tries) {
      const std::size_t before = world_->Ledger().size();
      Call();
      ASSERT_TRUE(Eventually(kPatience, [&] { return world_->Ledger().size() > before + kCallers; })) << world_->Logs();
      if (!callers_.back()->ended()) return;
    }
    FAIL() << "the workflows always end before the fault";
  }
  void ExpectAllEndedAndEachBodyRanOnce() {
    for (const auto& callers : callers_) callers->Finish();
    for (const auto& callers : callers_) callers->CheckRecords();
    ExpectEachBodyRanOnce(*world_);
    EXPECT_EQ(world_->restarts(), 0) << world_->Logs();
  }

  PostgresServer server_;
  std::unique_ptr<World> world_;
  std::vector<std::unique_ptr<Callers>> callers_;
};

TEST_F(FailoverTest, WorkGoesOnWhenTheServerIsRestarted) {
  StartBoth();
  for (const auto mode : {PostgresServer::Mode::kFast, PostgresServer::Mode::kImmediate}) {
    ASSERT_NO_FATAL_FAILURE(Load());
    server_.Stop(mode);
    EXPECT_TRUE(Becomes(Serving::kNo)) << world_->Logs();
    EXPECT_EQ(AskHealth(world_->address(), ""), Serving::kYes);
    server_.Start();
    EXPECT_TRUE(Becomes(Serving::kYes)) << world_->Logs();
  }
  ExpectAllEndedAndEachBodyRanOnce();
  EXPECT_TRUE(world_->SidecarsWrote("work waits, and goes on by itself when it is back", 2)) << world_->Logs();
  EXPECT_TRUE(world_->SidecarsWrote("the database is back", 2)) << world_->Logs();
}

TEST_F(FailoverTest, WorkGoesOnWhenTheServerIsKilledUnderLoad) {
  StartBoth();
  for (int round = 0; round < 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(Load());
    server_.Kill();
    server_.Start();
  }
  ExpectAllEndedAndEachBodyRanOnce();
}

TEST_F(FailoverTest, WorkGoesOnWhileAnAdministratorEndsItsConnections) {
  StartBoth();
  const std::string end =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'e2e_%' AND "
      "application_name = 'dbos_transact'";
  for (int round = 0; round < 4; ++round) {
    ASSERT_NO_FATAL_FAILURE(Load());
    std::size_t ended = 0;
    EXPECT_TRUE(Eventually(kPatience, [&] { return (ended += server_.Query(end).size()) >= 3; })) << ended;
  }
  ExpectAllEndedAndEachBodyRanOnce();
}

// Inserting a step takes longer than a statement may.
TEST_F(FailoverTest, WorkWaitsWhileStatementsAreCutOffAndTheSettingIsNamed) {
  StartBoth({"--database", world_->database_url() + "&options=-c%20statement_timeout%3D500"});
  ASSERT_NO_FATAL_FAILURE(Load());
  server_.Query(
      "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$; "
      "CREATE TRIGGER slow BEFORE INSERT ON dbos.operation_outputs EXECUTE FUNCTION slow()",
      Database());
  Call();  // those before it may have ended by now
  EXPECT_TRUE(Becomes(Serving::kNo)) << world_->Logs();
  EXPECT_TRUE(world_->SidecarsWrote("work waits")) << world_->Logs();
  EXPECT_TRUE(
      world_->SidecarsWrote("(SQLSTATE 57014): an administrator did that, or statement_timeout, which the "
                            "database URL's options"))
      << world_->Logs();
  server_.Query("DROP FUNCTION slow() CASCADE", Database());
  EXPECT_TRUE(Becomes(Serving::kYes)) << world_->Logs();
  ExpectAllEndedAndEachBodyRanOnce();
}

// A sidecar whose resolver knows only what this file says.
class HostNameTest : public FailoverTest {
 protected:
  HostNameTest() {
    Know("other.test");
    world_->SetEnvironment("LD_PRELOAD", "libnss_wrapper.so");
    world_->SetEnvironment("NSS_WRAPPER_HOSTS", File());
    const char* options = std::getenv("ASAN_OPTIONS");
    world_->SetEnvironment("ASAN_OPTIONS",
                           std::string(options == nullptr ? "" : options) + ":verify_asan_link_order=0");
  }
  std::string File() const { return world_->directory() + "/hosts"; }
  void Know(const std::string& name) {
    std::ofstream(File()) << "127.0.0.1 " << name << "\n";
    // It is read again when its time has changed, in seconds.
    std::filesystem::last_write_time(
        File(), std::filesystem::file_time_type::clock::now() + ++changes_ * std::chrono::seconds(2));
  }

 private:
  int changes_ = 0;
};

TEST_F(HostNameTest, WorkWaitsForANameThatDoesNotResolveForAWhile) {
  StartBoth({"--database", "postgresql://postgres@db.test:" + std::to_string(server_.port()) + "/" + Database()});
  EXPECT_TRUE(world_->SidecarsWrote("could not translate host name \\\"db.test\\\"")) << world_->Logs();
  Know("db.test");
  EXPECT_TRUE(Becomes(Serving::kYes)) << world_->Logs();
  ASSERT_NO_FATAL_FAILURE(Load());
  Know("other.test");
  server_.Stop(PostgresServer::Mode::kFast);
  server_.Start();
  EXPECT_TRUE(Becomes(Serving::kNo)) << world_->Logs();
  EXPECT_TRUE(world_->SidecarsWrote("work waits")) << world_->Logs();
  EXPECT_EQ(AskHealth(world_->address(), ""), Serving::kYes);
  EXPECT_FALSE(callers_.back()->ended());
  Know("db.test");
  EXPECT_TRUE(Becomes(Serving::kYes)) << world_->Logs();
  ExpectAllEndedAndEachBodyRanOnce();
}

// The primary waits for its standby, so that what is acknowledged is there.
class StandbyTest : public FailoverTest {
 protected:
  StandbyTest() : FailoverTest({"synchronous_standby_names=*", "synchronous_commit=local"}) {}

  std::string Urls(const std::string& attributes) const {
    return "postgresql://postgres@/" + Database() + "?host=" + server_.directory() + "," + standby_.directory() +
           "&port=" + std::to_string(server_.port()) + "," + std::to_string(standby_.port()) + attributes;
  }
  void StartStandby() {
    standby_.Start();
    ASSERT_TRUE(Eventually(kPatience, [&] {
      return server_.Query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").size() == 1;
    }));
  }

  PostgresServer standby_{server_, {"wal_retrieve_retry_interval=100ms"}};
};

TEST_F(StandbyTest, WorkGoesOnOnThePromotedStandbyWhenThePrimaryIsKilled) {
  ASSERT_NO_FATAL_FAILURE(StartStandby());
  StartBoth({"--database", Urls("&target_session_attrs=read-write")});
  ASSERT_NO_FATAL_FAILURE(Load());
  server_.Kill();
  EXPECT_TRUE(Becomes(Serving::kNo)) << world_->Logs();
  EXPECT_TRUE(world_->SidecarsWrote("session is read-only")) << world_->Logs();
  standby_.Query("SELECT pg_promote()");
  EXPECT_TRUE(Becomes(Serving::kYes)) << world_->Logs();
  ExpectAllEndedAndEachBodyRanOnce();
}

TEST_F(StandbyTest, WorkWaitsWhileOnlyTheStandbyCanBeReached) {
  ASSERT_NO_FATAL_FAILURE(StartStandby());
  StartBoth({"--database", Urls("")});
  ASSERT_NO_FATAL_FAILURE(Load());
  server_.Stop(PostgresServer::Mode::kFast);
  EXPECT_TRUE(Becomes(Serving::kNo)) << world_->Logs();
  EXPECT_TRUE(world_->SidecarsWrote("(SQLSTATE 25006): connect to the primary")) << world_->Logs();
  server_.Start();
  EXPECT_TRUE(Becomes(Serving::kYes)) << world_->Logs();
  ExpectAllEndedAndEachBodyRanOnce();
}

}  // namespace
}  // namespace dbos::sidecar
