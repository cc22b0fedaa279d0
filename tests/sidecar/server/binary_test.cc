// The program as a user meets it: exit codes, messages, files.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>

#include <gtest/gtest.h>
#include <httplib.h>

#include "sidecar/db/open.h"
#include "tests/sidecar/server/program.h"

namespace dbos::sidecar {
namespace {

class BinaryTest : public testing::Test {
 protected:
  // Runs to its end and expects this code and this text.
  void ExpectEnd(const std::vector<std::string>& arguments, int code, const std::string& text) {
    Program program(directory_, "end", arguments);
    EXPECT_EQ(program.Wait(), code) << program.Output();
    EXPECT_NE(program.Output().find(text), std::string::npos) << program.Output();
  }

  const TemporaryDirectory directory_;
};

TEST_F(BinaryTest, TellsItsVersionAndTeaches) {
  ExpectEnd({"--version"}, 0, "dbos-sidecar 0.1.0");
  ExpectEnd({"--help"}, 0, "dbos-sidecar dev -- ./shop");
  ExpectEnd({"--help"}, 0, "Exit codes");
  ExpectEnd({"serve", "--help"}, 0, "DBOS_SYSTEM_DATABASE_URL");
  const std::vector<std::vector<std::string>> commands = {
      {"serve"}, {"dev"}, {"migrate"}, {"workflow"}, {"workflow", "list"}, {"workflow", "get"}, {"workflow", "steps"}};
  for (std::vector<std::string> command : commands) {
    command.emplace_back("--help");
    ExpectEnd(command, 0, "Examples:");
    ExpectEnd(command, 0, "Exit codes: 0 ended as asked, 1 anything not below, 2 wrong flags");
  }
}

TEST_F(BinaryTest, WrongUsageEndsWithTwoAndTheFix) {
  ExpectEnd({}, 2, "subcommand");
  ExpectEnd({"serve"}, 2, "use --name, DBOS_APP_NAME");
  ExpectEnd({"serve", "--name", "Shop"}, 2, "for example \"shop\"");
  ExpectEnd({"serve", "--nmae", "shop"}, 2, "--nmae");
  ExpectEnd({"serve", "--name", "shop", "--config", "missing.yaml"}, 2, "missing.yaml");
  ExpectEnd({"serve", "--name", "shop", "--config", "."}, 2, "cannot read the file .");
  ExpectEnd({"serve", "--name", "shop", "--database", "mysql://x"}, 2, "must begin with postgresql://");
  ExpectEnd({"migrate", "--name", "shop", "--app-database", "postgresql://h"}, 2, "Database name must be specified");
}

TEST_F(BinaryTest, ConfigCheckShowsWhatIsEffectiveWhereItComesFromAndNoPassword) {
  directory_.Write("dbos-config.yaml",
                   "name: shop\napplication_database_url: postgresql://me:sesame@db/shop\n"
                   "db_engine_kwargs:\n  pool_size: 5\n  connect_args: {sslmode: require, sslpassword: sesame}\n");
  Program program(directory_, "check", {"config", "check", "--log-level", "debug"});
  EXPECT_EQ(program.Wait(), 0) << program.Output();
  const std::string output = program.Output();
  EXPECT_EQ(output.find("sesame"), std::string::npos) << output;
  const std::pair<const char*, const char*> lines[] = {
      {"name", "shop +dbos-config.yaml: name"},
      {"application_database_url", "postgresql://me:\\*\\*\\*@db/shop +dbos-config.yaml"},
      {"system_database_url", "postgresql://me:\\*\\*\\*@db/shop_dbos +derived from application_database_url"},
      {"db_engine_kwargs.pool_size", "5 +dbos-config.yaml"},
      {"db_engine_kwargs.pool_timeout", "30 +default"},
      {"db_engine_kwargs.connect_args.sslmode", "require +dbos-config.yaml"},
      {"db_engine_kwargs.connect_args.sslpassword", "\\*\\*\\* +dbos-config.yaml"},
      {"sidecar.log_level", "debug +--log-level"},
      {"sidecar.executor_id", "\\(none\\) +default"}};
  for (const auto& [key, rest] : lines) {
    EXPECT_TRUE(std::regex_search(output, std::regex(std::string("(^|\n)") + key + " +" + rest))) << key << "\n"
                                                                                                  << output;
  }
}

TEST_F(BinaryTest, AnUnusableAddressOrDatabaseHasItsOwnCode) {
  ExpectEnd({"serve", "--name", "shop", "--address", "tcp://localhost:1"}, 4, "unix:///absolute/path");
  ExpectEnd({"serve", "--name", "shop", "--database", "postgresql://nobody@/x?host=/nowhere", "--database-wait", "0"},
            3, "could not be reached");
}

TEST_F(BinaryTest, ServesUntilToldToStopAndLeavesNoSocket) {
  Program sidecar(directory_, "serve", {"serve", "--name", "shop"});
  ASSERT_TRUE(sidecar.Prints("sidecar is ready")) << sidecar.Output();
  EXPECT_TRUE(std::filesystem::is_socket(directory_ / ".dbos/sidecar.sock"));
  sidecar.Send(SIGTERM);
  EXPECT_EQ(sidecar.Wait(), 0) << sidecar.Output();
  EXPECT_FALSE(std::filesystem::exists(directory_ / ".dbos/sidecar.sock"));
  EXPECT_TRUE(std::filesystem::exists(directory_ / "shop.sqlite"));
}

TEST_F(BinaryTest, AnswersOverHttpWhereAsked) {
  Program sidecar(directory_, "serve", {"serve", "--name", "shop", "--http", "127.0.0.1:0"});
  ASSERT_TRUE(sidecar.Prints("sidecar is ready")) << sidecar.Output();
  std::smatch address;
  const std::string output = sidecar.Output();
  ASSERT_TRUE(std::regex_search(output, address, std::regex("http[=:\" ]+(127\\.0\\.0\\.1:[0-9]+)"))) << output;
  httplib::Client client("http://" + address[1].str());
  EXPECT_EQ(client.Get("/readyz")->status, 200);
  EXPECT_NE(client.Get("/metrics")->body.find("dbos_database_available 1"), std::string::npos);
  ExpectEnd({"serve", "--name", "shop", "--state-dir", "o", "--address", "unix:o.sock", "--database",
             "sqlite:///o.sqlite", "--http", address[1].str()},
            4, "cannot listen for HTTP");
}

TEST_F(BinaryTest, ASecondSidecarIsRefusedForSocketAndDatabase) {
  Program sidecar(directory_, "serve", {"serve", "--name", "shop"});
  ASSERT_TRUE(sidecar.Prints("sidecar is ready")) << sidecar.Output();
  ExpectEnd({"serve", "--name", "shop"}, 4, "in use by the process");
  ExpectEnd({"serve", "--name", "shop", "--state-dir", "other", "--address", "unix:other.sock"}, 3,
            "the SQLite database shop.sqlite is in use by the process");
}

TEST_F(BinaryTest, AKilledSidecarsPlaceCanBeTaken) {
  {
    Program killed(directory_, "killed", {"serve", "--name", "shop"});
    ASSERT_TRUE(killed.Prints("sidecar is ready")) << killed.Output();
  }
  EXPECT_TRUE(std::filesystem::is_socket(directory_ / ".dbos/sidecar.sock"));
  const std::string id = directory_.Read(".dbos/executor-id");
  Program next(directory_, "next", {"serve", "--name", "shop"});
  EXPECT_TRUE(next.Prints("sidecar is ready")) << next.Output();
  EXPECT_EQ(directory_.Read(".dbos/executor-id"), id);
}

TEST_F(BinaryTest, MigrateAndWorkflowWorkWithoutASidecar) {
  ExpectEnd({"workflow", "list", "--name", "shop"}, 3, "no such database sqlite:///shop.sqlite");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "shop.sqlite"));
  ExpectEnd({"migrate", "--name", "shop"}, 0, "sqlite:///shop.sqlite is at schema version 123");
  ExpectEnd({"workflow", "list", "--name", "shop"}, 0, "WORKFLOW ID  STATUS  NAME");
  ExpectEnd({"workflow", "list", "--name", "shop", "--json"}, 0, "[]");
  ExpectEnd({"workflow", "get", "order-42", "--name", "shop"}, 1, "no workflow with the id \"order-42\"");
  ExpectEnd({"workflow", "list", "--name", "shop", "--status", "DONE"}, 2, "unknown status \"DONE\"");
}

TEST_F(BinaryTest, AnswersThatCannotBeWrittenAreNoSuccess) {
  ExpectEnd({"migrate", "--name", "shop"}, 0, "at schema version 123");
  std::filesystem::create_symlink("/dev/full", directory_ / "full.log");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"--version"}, {"migrate", "--name", "shop"}, {"workflow", "list", "--name", "shop"}}) {
    Program program(directory_, "full", command);
    EXPECT_EQ(program.Wait(), 1) << command.front();
  }
}

TEST_F(BinaryTest, TablesHoldNeitherControlCharactersNorHalfOnes) {
  ExpectEnd({"migrate", "--name", "shop"}, 0, "at schema version 123");
  const auto database = OpenDatabase("sqlite:///" + (directory_ / "shop.sqlite"), "dbos");
  ASSERT_TRUE(database.ok());
  const std::string row = "INSERT INTO workflow_status(workflow_uuid, status, name) VALUES ";
  std::string umlauts = "x";  // an odd number of bytes before characters of two
  for (int i = 0; i < 40; ++i) umlauts += "\u00e4";
  const auto done = database->connect(ConnectionRole::kWriter)
                        ->RunScript(row + "('" + umlauts + "', 'SUCCESS', 'a' || char(27) || '[2J' || char(127))");
  ASSERT_TRUE(done.ok()) << done.status();
  ExpectEnd({"workflow", "list", "--name", "shop"}, 0, umlauts.substr(0, 57) + "...  SUCCESS  a [2J   -");
  ExpectEnd({"workflow", "get", umlauts, "--name", "shop"}, 0, "a [2J \n");
}

TEST_F(BinaryTest, WorkflowChangesNothingInADatabaseThatIsNotOurs) {
  const std::string fix = "run dbos-sidecar migrate, or check --name/--database";
  for (const std::string content : {"", "this is no database, and long enough to be looked at as one"}) {
    std::ofstream(directory_ / "shop.sqlite") << content;
    ExpectEnd({"workflow", "list", "--name", "shop"}, 3, fix);
    EXPECT_EQ(directory_.Read("shop.sqlite"), content);
  }
  const std::string nowhere = "postgresql://user:secret@/typo?host=" + directory_.path();
  ExpectEnd({"workflow", "list", "--name", "shop", "--database", nowhere}, 3, "no such database postgresql:///typo");
  ExpectEnd({"workflow", "list", "--name", "shop", "--database", nowhere}, 3, fix);
}

TEST_F(BinaryTest, WorkflowNamesAPostgresDatabaseThatIsMissingOrEmpty) {
  const char* server = std::getenv("DBOS_TEST_POSTGRES_URL");  // NOLINT(concurrency-mt-unsafe): one thread
  ASSERT_NE(server, nullptr) << "set DBOS_TEST_POSTGRES_URL, or run ./tests/run unit";
  const std::string url = server;
  const std::size_t path = url.find('/', url.find("://") + 3);
  const std::size_t end = std::min(url.find('?'), url.size());
  const std::string missing = url.substr(0, path) + "/dbos_typo" + url.substr(end);
  ExpectEnd({"workflow", "list", "--name", "shop", "--database", missing}, 3, "\"dbos_typo\" does not exist");
  const std::vector<std::string> empty = {"workflow",   "list", "--name",   "shop",
                                          "--database", url,    "--schema", "dbos_nobody"};
  ExpectEnd(empty, 3, "it holds no tables of DBOS): run dbos-sidecar migrate, or check --name/--database");
}

TEST_F(BinaryTest, LogsJsonWhenAsked) {
  Program sidecar(directory_, "serve", {"serve", "--name", "shop", "--log-format", "json"});
  EXPECT_TRUE(sidecar.Prints("\"message\":\"sidecar is ready\",\"application\":\"shop\"")) << sidecar.Output();
}

TEST_F(BinaryTest, DevRunsTheAppWithTheAddressAndEndsWithItsCode) {
  ExpectEnd({"dev", "--name", "shop", "--", "/bin/sh", "-c", "echo app $DBOS_SIDECAR_ADDRESS $DBOS_APP_NAME"}, 0,
            "app unix://" + directory_ / ".dbos/sidecar.sock shop");
}

TEST_F(BinaryTest, DevNamesTheAppAfterItsDirectory) {
  ExpectEnd({"dev", "--", "/bin/true"}, 0, "application  server_test-");
}

TEST_F(BinaryTest, DevStartsACrashedAppAgain) {
  ExpectEnd({"dev", "--name", "shop", "--", "/bin/sh", "-c",
             "if [ -e once ]; then echo second run; else touch once; exit 3; fi"},
            0, "second run");
}

TEST_F(BinaryTest, DevWaitsForAnAppThatIsBeingBuiltAgain) {
  const std::string app = directory_ / "app";
  std::ofstream(app) << "#!/bin/sh\n[ -e once ] && echo rebuilt && exit 0\ntouch once\nmv app app.old\nexit 3\n";
  std::filesystem::permissions(app, std::filesystem::perms::owner_all);
  Program dev(directory_, "dev", {"dev", "--name", "shop", "--", "./app"});
  ASSERT_TRUE(dev.Prints("cannot run ./app: No such file or directory; starting it again in")) << dev.Output();
  std::filesystem::rename(app + ".old", app);
  EXPECT_EQ(dev.Wait(), 0) << dev.Output();
  EXPECT_NE(dev.Output().find("rebuilt"), std::string::npos) << dev.Output();
}

TEST_F(BinaryTest, DevShowsSocketDatabaseAndVersions) {
  Program dev(directory_, "dev", {"dev", "--name", "shop", "--", "/bin/true"});
  EXPECT_EQ(dev.Wait(), 0);
  EXPECT_NE(dev.Output().find("/.dbos/sidecar.sock\n  database     sqlite:///shop.sqlite, schema version 123"),
            std::string::npos)
      << dev.Output();
}

TEST_F(BinaryTest, DevForwardsSigtermToTheApp) {
  Program dev(directory_, "dev",
              {"dev", "--name", "shop", "--", "/bin/sh", "-c",
               "trap 'echo told to stop; exit 5' TERM; echo app runs; while true; do sleep 0.05; done"});
  ASSERT_TRUE(dev.Prints("app runs")) << dev.Output();
  dev.Send(SIGTERM);
  EXPECT_EQ(dev.Wait(), 5) << dev.Output();
  EXPECT_NE(dev.Output().find("told to stop"), std::string::npos);
}

TEST_F(BinaryTest, DevRefusesAMissingProgram) {
  ExpectEnd({"dev", "--name", "shop", "--", "./missing"}, 2, "cannot run ./missing");
}

}  // namespace
}  // namespace dbos::sidecar
