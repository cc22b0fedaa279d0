// The programs that users read about transactions do what they say, on every database.
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <dbos/dbos.h>

#include "gmock/gmock.h"

#include "tests/e2e/process.h"
#include "tests/e2e/program.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using ::testing::ElementsAre;

class SqlExamplesTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  void Start(const std::string& application) {
    const std::string directory = world_.directory();
    sidecar_ = std::make_unique<Process>(
        std::vector<std::string>{DBOS_SIDECAR_BINARY, "serve", "--name", application, "--address", world_.address(),
                                 "--database", world_.database_url(), "--app-database", world_.database_url(),
                                 "--state-dir", directory + "/state"},
        Process::Options{{}, directory + "/sidecar.log", directory});
  }
  // `program` with the sidecar's address in its environment.
  Ended Run(const std::string& program) { return RunProgram({"DBOS_SIDECAR_ADDRESS=" + world_.address(), program}); }

  World world_{GetParam()};
  std::unique_ptr<Process> sidecar_;
};

TEST_P(SqlExamplesTest, UsersAreCreatedReadAndListed) {
  Start("users");
  const Ended first = Run(DBOS_USERS_EXAMPLE);
  EXPECT_EQ(first.code, 0) << world_.Logs();
  EXPECT_EQ(first.output, "Ada\nGrace\n2 users\n");
  EXPECT_EQ(Run(DBOS_USERS_EXAMPLE).output, first.output);  // the workflow has ended: its result comes back
  dbos::Client client({.sidecar_address = world_.address()});
  std::vector<std::string> steps;
  for (const dbos::StepInfo& step : client.steps("sign-up-1")) {
    steps.push_back(step.name + (step.error ? " " + step.error->name : ""));
  }
  EXPECT_THAT(steps, ElementsAre("create_user", "get_user", "create_user SqlError", "create_record", "read_record",
                                 "list_users"));
}

TEST_P(SqlExamplesTest, PythonWithGeneratedStubsMovesMoneyOnce) {
  Start("crash-test");
  dbos::Client client({.sidecar_address = world_.address()});
  client.sql("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)");
  client.sql("INSERT INTO accounts VALUES (1, 100), (2, 100)");
  const std::string stubs = world_.directory() + "/stubs";
  std::filesystem::create_directory(stubs);
  std::vector<std::string> protoc = {"protoc",
                                     "-I",
                                     DBOS_PROTOS,
                                     "--python_out=" + stubs,
                                     "--grpc_out=" + stubs,
                                     "--plugin=protoc-gen-grpc=" DBOS_GRPC_PYTHON_PLUGIN};
  for (const auto& file : std::filesystem::directory_iterator(DBOS_PROTOS "/dbos/v1")) {
    if (file.path().extension() == ".proto") protoc.push_back(file.path());
  }
  const Ended generated = RunProgram(protoc);
  ASSERT_EQ(generated.code, 0) << generated.output;
  const Ended ended = RunProgram({"/usr/bin/python3", DBOS_STUBS_PROGRAM, stubs, world_.address(), "transfer-1"});
  ASSERT_EQ(ended.code, 0) << ended.output << world_.Logs();
  EXPECT_EQ(ended.output, "[95, 105]\n");
  EXPECT_EQ(client.handle<dbos::Json>("transfer-1").result(std::chrono::seconds(20)).dump(), "[95,105]");
  EXPECT_EQ(client.sql("SELECT sum(balance) FROM accounts").scalar<int>(), 200);
}

INSTANTIATE_TEST_SUITE_P(Databases, SqlExamplesTest, ::testing::ValuesIn(TestDatabaseKinds()),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
