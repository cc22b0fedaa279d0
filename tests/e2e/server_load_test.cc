// What one sidecar costs its PostgreSQL server: connections, and statements when nothing happens.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

class ServerLoadTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run"; }

  // The application names of the connections to this database, without this one.
  std::vector<std::string> Connections() const {
    return world_.Query(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'");
  }

  World world_{DatabaseKind::kPostgres};
};

TEST_F(ServerLoadTest, AnIdleSidecarRunsAtMostTwoStatementsASecond) {
  dbos::testing::PgProxy& proxy = world_.PutProxyBetween();
  world_.StartSidecar();
  world_.StartApp();
  RunToTheEnd(world_);
  constexpr int kSeconds = 5;
  Pause(absl::Seconds(1));  // what the workflow has set off
  proxy.ResetCounts();
  Pause(absl::Seconds(kSeconds));  // paces: the idle time is what is measured
  const auto counts = proxy.counts();
  std::printf("%d idle seconds: %d statements, %d round trips, %d commits\n", kSeconds,
              static_cast<int>(counts.executes), static_cast<int>(counts.syncs), static_cast<int>(counts.commits));
  EXPECT_GE(counts.syncs, kSeconds - 1) << "it looks once a second whether anything is due";
  EXPECT_LE(counts.executes, 2 * kSeconds);
  EXPECT_LE(counts.syncs, 2 * kSeconds);
}

TEST_F(ServerLoadTest, ItsConnectionsAreFewAndHaveAName) {
  // A writer, two readers, one that asks what is due, one that listens, one that tests or notifies, and the pool.
  constexpr std::size_t kMost = 6 + 2;
  world_.StartSidecar("", {"--pool-size", "2"});
  world_.StartApp();
  RunToTheEnd(world_);
  const auto idle = Connections();
  EXPECT_GE(idle.size(), 2U);
  EXPECT_LE(idle.size(), kMost);
  for (const std::string& name : idle) EXPECT_EQ(name, "dbos_transact");
  std::size_t most = 0;
  Callers callers(world_, 30, 1);
  dbos::Client client({.sidecar_address = world_.address()});
  while (!callers.ended()) {
    client.list({.limit = 100});
    most = std::max(most, Connections().size());
  }
  callers.Finish();
  std::printf("connections: %zu idle, at most %zu busy\n", idle.size(), most);
  EXPECT_GE(most, idle.size());
  EXPECT_LE(most, kMost);
}

}  // namespace
}  // namespace dbos::sidecar
