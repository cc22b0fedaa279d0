// A role that may read and write rows, and nothing else, runs everything.
#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/program.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

class RestrictedRoleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run";
    owner_url_ = world_.database_url();
    OnServer("CREATE ROLE " + role_ + " LOGIN");
    const Ended migrated = RunSidecarCommand({"migrate", "--app-role", role_}, owner_url_);
    ASSERT_EQ(migrated.code, 0) << migrated.output;
    world_.ConnectAs(role_);
  }
  void TearDown() override {
    OnServer("DROP OWNED BY " + role_);
    OnServer("DROP ROLE " + role_);
  }
  void OnServer(const std::string& sql) {
    const Ended done = RunProgram({"psql", "-qX", owner_url_, "-c", sql});
    EXPECT_EQ(done.code, 0) << done.output;
  }

  World world_{DatabaseKind::kPostgres};
  const std::string role_ = "role_" + std::to_string(getpid());
  std::string owner_url_;
};

TEST_F(RestrictedRoleTest, WorkflowsStepsChildrenAndRecoveryRunAsARestrictedRole) {
  world_.StartSidecar("after:step:3:kill", {"--migrations", "verify"});
  world_.StartApp({"kill", "before", "s2"});
  Callers callers(world_, 5);
  callers.Finish();
  callers.CheckRecords();
  EXPECT_GE(world_.restarts(), 2) << world_.Logs();  // the sidecar and the app
  for (const std::string command : {"list", "get", "steps"}) {
    std::vector<std::string> words = {"workflow", command};
    if (command != "list") words.emplace_back("w0");
    const Ended seen = RunSidecarCommand(words, world_.database_url());
    EXPECT_EQ(seen.code, 0) << seen.output;
    EXPECT_NE(seen.output.find(command == "steps" ? "ledger_child" : "SUCCESS"), std::string::npos) << seen.output;
  }
  EXPECT_EQ(world_.Query("SELECT current_user"), std::vector<std::string>{role_});
}

TEST_F(RestrictedRoleTest, ARestrictedRoleMayNotMigrate) {
  OnServer("UPDATE dbos.dbos_migrations SET version = 122");
  const Ended refused = RunSidecarCommand({"migrate"}, world_.database_url());
  EXPECT_EQ(refused.code, 3) << refused.output;
  EXPECT_NE(refused.output.find("run dbos-sidecar migrate --app-role " + role_), std::string::npos) << refused.output;
}

}  // namespace
}  // namespace dbos::sidecar
