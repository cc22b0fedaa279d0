// pgbouncer in transaction mode: each transaction may meet another session of the server, so that neither settings nor
// prepared statements last. The writer and the migrations go past it, by sidecar.direct_database_url.
#include <fstream>
#include <memory>
#include <string>

#include <dbos/dbos.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "sidecar/base/check.h"
#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/postgres_server.h"
#include "tests/e2e/two_sidecars.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr char kNotDelivered[] = "notifications do not reach this sidecar";

class PoolerTest : public ::testing::Test {
 protected:
  PoolerTest() {
    server_.Start();
    world_ = std::make_unique<World>(server_.Url());
    StartPooler();
  }

  // The world's database through the pooler.
  std::string PooledUrl() const {
    const std::string url = world_->database_url();
    const std::string database = url.substr(url.find("e2e_"), url.find('?') - url.find("e2e_"));
    return "postgresql://postgres@127.0.0.1:" + std::to_string(port_) + "/" + database;
  }

  PostgresServer server_;
  std::unique_ptr<World> world_;

 private:
  void StartPooler() {
    const std::string file = server_.directory() + "/pgbouncer.ini";
    std::ofstream(server_.directory() + "/users") << "\"postgres\" \"\"\n";
    while (true) {
      port_ = FreePort();
      std::ofstream(file) << "[databases]\n* = host=" << server_.directory() << " port=" << server_.port()
                          << "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " << port_
                          << "\nunix_socket_dir =\nauth_type = trust\nauth_file = " << server_.directory()
                          << "/users\npool_mode = transaction\ndefault_pool_size = 3\n";
      GiveToPostgresUser(file);
      pooler_ = std::make_unique<Process>(AsPostgresUser({"/usr/sbin/pgbouncer", file}),
                                          Process::Options{{}, server_.directory() + "/pgbouncer.log", ""});
      const std::string url = "postgresql://postgres@127.0.0.1:" + std::to_string(port_) + "/postgres";
      if (Eventually(kPatience, [&] { return PQping(url.c_str()) == PQPING_OK || !pooler_->Running(); }) &&
          pooler_->Running()) {
        return;
      }
    }
  }

  std::uint16_t port_ = 0;
  std::unique_ptr<Process> pooler_;
};

TEST_F(PoolerTest, WorkflowsRunAndAreReadThroughATransactionPooler) {
  world_->StartSidecar("", {"--database", PooledUrl(), "--direct-database", world_->database_url()});
  world_->StartApp();
  Callers callers(*world_, 20);
  callers.Finish();
  callers.CheckRecords();
  ExpectEachBodyRanOnce(*world_);
  dbos::Client client({.sidecar_address = world_->address()});
  for (int n = 0; n < 50; ++n) {
    EXPECT_FALSE(client.list({}).empty());
    EXPECT_EQ(client.steps("w0").size(), client.steps("w1").size());
  }
  EXPECT_EQ(world_->Logs().find("SQLSTATE 26000"), std::string::npos) << world_->Logs();
  // What the writer sets for itself has not reached the sessions that others get.
  const std::unique_ptr<PGconn, decltype(&PQfinish)> other(PQconnectdb(PooledUrl().c_str()), &PQfinish);
  for (const char* setting : {"SHOW enable_seqscan", "SHOW statement_timeout"}) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> shown(PQexec(other.get(), setting), &PQclear);
    ASSERT_EQ(PQresultStatus(shown.get()), PGRES_TUPLES_OK) << PQerrorMessage(other.get());
    const std::string value = PQgetvalue(shown.get(), 0, 0);
    EXPECT_TRUE(value == "on" || value == "0") << setting << " " << value;
  }
}

// Both ask and tell through the pooler, and listen past it.
TEST_F(PoolerTest, WithTheDirectUrlSidecarsWakeEachOther) {
  TwoSidecars sidecars(*world_, TwoSidecars::Looks::kBlind,
                       {"--database", PooledUrl(), "--direct-database", world_->database_url()});
  for (int n = 0; n < 3; ++n) {
    EXPECT_LT(sidecars.TimeToRun("w" + std::to_string(n)), kPatience) << world_->Logs() << sidecars.AskedLog();
  }
  EXPECT_EQ(sidecars.WorkerLog().find(kNotDelivered), std::string::npos) << sidecars.WorkerLog();
}

TEST_F(PoolerTest, WithoutItOneWarningSaysSoAndTheNextLookFindsTheWork) {
  TwoSidecars sidecars(*world_, TwoSidecars::Looks::kAsEver, {"--database", PooledUrl()});
  EXPECT_TRUE(world_->SidecarsWrote(kNotDelivered)) << sidecars.WorkerLog();
  for (int n = 0; n < 2; ++n) {
    EXPECT_LT(sidecars.TimeToRun("w" + std::to_string(n)), kPatience) << world_->Logs() << sidecars.AskedLog();
  }
  const std::string log = sidecars.WorkerLog();
  EXPECT_NE(log.find("sidecar.direct_database_url"), std::string::npos) << log;
  EXPECT_EQ(log.find(kNotDelivered), log.rfind(kNotDelivered)) << log;
}

}  // namespace
}  // namespace dbos::sidecar
