// What transactions share: connections, and rights.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/e2e/bank.h"
#include "tests/e2e/program.h"

namespace dbos::sidecar {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Its message; empty: none was thrown.
template <typename Thrown, typename Call>
std::string MessageOf(Call call) {
  try {
    call();
  } catch (const Thrown& error) {
    return error.what();
  }
  return "";
}

std::string SqlstateOf(dbos::Client& client, const std::string& sql) {
  try {
    client.sql(sql);
  } catch (const dbos::SqlError& error) {
    return error.sqlstate();
  }
  return "";
}

// ---------------------------------------------------------------- one connection for all
class OneConnectionTest : public ::testing::TestWithParam<Place> {};

TEST_P(OneConnectionTest, TheOthersWaitOrAreToldWhoHasItAndCheckpointsGoOn) {
  Bank bank(GetParam());
  bank.Open("", {"wait", "noted"}, {"--pool-size", "1", "--pool-timeout", "0.2"});
  World& world = bank.world();
  dbos::Client client({.sidecar_address = world.address()});
  auto holder = client.start<std::string>("note", {.workflow_id = "holder"}, false, 30'000, 60'000);
  ASSERT_TRUE(Eventually(absl::Seconds(20), [&] { return std::filesystem::exists(world.directory() + "/struck"); }))
      << world.Logs();
  auto patient = client.start<std::string>("note", {.workflow_id = "patient"}, false, 30'000, 60'000);
  auto hasty = client.start<std::string>("note", {.workflow_id = "hasty"}, false, 400, 400);
  const std::string told = MessageOf<dbos::PoolExhausted>(
      [&] { client.transaction({.timeout = milliseconds(500)}, [](dbos::Transaction& tx) { tx.query("SELECT 1"); }); });
  EXPECT_THAT(told, AllOf(HasSubstr("QueuePool limit of size 1 overflow 0 reached"), HasSubstr("note of holder")));
  EXPECT_EQ(client.start<int>("plain", {}).result(seconds(10)), 1) << "its checkpoints have connections of their own";
  EXPECT_EQ(bank.Ask("SELECT count(*) FROM ledger"), std::vector<std::string>{"0"});
  std::ofstream(world.directory() + "/go").flush();
  EXPECT_FALSE(holder.result(seconds(20)).empty());
  EXPECT_FALSE(patient.result(seconds(20)).empty());
  EXPECT_THAT(MessageOf<dbos::WorkflowError>([&] { hasty.result(seconds(20)); }),
              AllOf(HasSubstr("QueuePool limit"), HasSubstr("note of holder")));
  const auto steps = client.steps("hasty");
  ASSERT_TRUE(steps.size() == 1 && steps[0].error) << world.Logs();
  EXPECT_EQ(steps[0].error->name, "PoolExhausted");
  EXPECT_EQ(bank.Ask("SELECT workflow FROM ledger ORDER BY workflow"), (std::vector<std::string>{"holder", "patient"}));
}

INSTANTIATE_TEST_SUITE_P(Places, OneConnectionTest, ::testing::Values(Place::kOneDatabase, Place::kTwoDatabases),
                         [](const auto& test) { return ToString(test.param); });

// ---------------------------------------------------------------- a role of its own for the users' SQL
class SqlRoleTest : public ::testing::Test {
 protected:
  explicit SqlRoleTest(Place place = Place::kOneDatabase) : bank_(place) {
    bank_.Ask("CREATE ROLE " + role_ + " LOGIN");
    bank_.Ask("GRANT ALL ON accounts, ledger, audit, kept TO " + role_);
    std::string url = bank_.url();
    const std::size_t user = url.find("://") + 3;
    url.replace(user, url.find('@') - user, role_);
    bank_.world().SetEnvironment("DBOS_APPLICATION_DATABASE_URL", url);
  }
  ~SqlRoleTest() override {
    bank_.Ask("DROP OWNED BY " + role_);
    bank_.Ask("DROP ROLE " + role_);
  }
  SqlRoleTest(const SqlRoleTest&) = delete;
  SqlRoleTest& operator=(const SqlRoleTest&) = delete;

  const std::string role_ = "sql_role_" + std::to_string(getpid());
  Bank bank_;
};

class SqlRoleOfTwoTest : public SqlRoleTest {
 protected:
  SqlRoleOfTwoTest() : SqlRoleTest(Place::kTwoDatabases) {}
};

TEST_F(SqlRoleTest, IsToldTheCommandAndThenCommitsWithItsRecordAndReachesNoSystemTable) {
  bank_.Open();
  dbos::Client client({.sidecar_address = bank_.world().address()});
  const std::string command = "dbos-sidecar migrate --sql-role " + role_;
  EXPECT_THAT(MessageOf<dbos::Error>([&] { client.sql("SELECT 1", {}, {.timeout = seconds(1)}); }), HasSubstr(command));
  EXPECT_THAT(bank_.world().Logs(), HasSubstr(command));
  auto waiting = client.start<std::string>("note", {.workflow_id = "n"}, false, 1000, 1000);
  const Ended granted = RunSidecarCommand({"migrate", "--sql-role", role_}, bank_.world().database_url());
  ASSERT_EQ(granted.code, 0) << granted.output;
  EXPECT_FALSE(waiting.result(seconds(20)).empty());
  bank_.Ask("DELETE FROM ledger");
  Transfers transfers(bank_, 6);
  transfers.Finish();
  transfers.Check();
  for (const std::string statement :
       {"SELECT count(*) FROM dbos.workflow_status", "SELECT output FROM dbos.operation_outputs",
        "UPDATE dbos.operation_outputs SET output = '1'", "DELETE FROM dbos.workflow_status",
        "INSERT INTO dbos.operation_outputs (workflow_uuid, function_id, function_name) VALUES ('t0', 9, 'x')",
        "CREATE TABLE dbos.mine (id INTEGER)", "CREATE TABLE dbos_sidecar.mine (id INTEGER)"}) {
    EXPECT_EQ(SqlstateOf(client, statement), "42501") << statement;
  }
  const std::string call = "SELECT dbos_sidecar.record_transaction('t0', 'no owner', 9, 'x', 1, 1, 'a', '1', NULL)";
  EXPECT_EQ(SqlstateOf(client, call), "23502") << "only who owns the workflow may record a step of it";
  EXPECT_EQ(bank_.world().restarts(), 0);
}

TEST_F(SqlRoleOfTwoTest, WhereItMayCreateNoTableWorkflowsWaitUntilItMay) {
  bank_.Open();
  dbos::Client client({.sidecar_address = bank_.world().address()});
  auto waiting = client.start<std::string>("note", {.workflow_id = "n"}, false, 1000, 1000);
  const bool told = Eventually(absl::Seconds(20), [&] {
    return bank_.world().Logs().find("grant it CREATE on the database") != std::string::npos;
  });
  EXPECT_TRUE(told) << bank_.world().Logs();
  bank_.Ask("GRANT CREATE ON DATABASE " + bank_.Ask("SELECT current_database()").at(0) + " TO " + role_);
  EXPECT_FALSE(waiting.result(seconds(20)).empty());
}

TEST(NoApplicationDatabaseTest, TheErrorNamesTheKey) {
  Bank bank(Place::kSqlite);
  bank.world().SetEnvironment("DBOS_APPLICATION_DATABASE_URL", "");
  bank.Open();
  dbos::Client client({.sidecar_address = bank.world().address()});
  EXPECT_THAT(MessageOf<dbos::NoApplicationDatabase>([&] { client.sql("SELECT 1"); }),
              HasSubstr("set application_database_url"));
  EXPECT_THAT(MessageOf<dbos::WorkflowError>([&] {
                client.start<std::string>("note", {.workflow_id = "n"}, false, 1000, 1000).result(seconds(20));
              }),
              HasSubstr("set application_database_url"));
  EXPECT_EQ(client.steps("n").at(0).error->name, "NoApplicationDatabase");
}

}  // namespace
}  // namespace dbos::sidecar
