// System databases that the official SDKs made: a sidecar takes them over, and then the SDK goes on with them. And the
// other way round.
#include <cstdlib>

#include <dbos/dbos.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/program.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

using nlohmann::json;

constexpr char kPython[] = "python";  // stands for DBOS_TEST_PYTHON, which the list of tests need not know

struct Sdk {
  std::string name;
  std::vector<std::string> command;  // what starts its script in tests/peer
  std::string version;               // of the database that it makes, and of one that it gets back
  std::string given_back;
  DatabaseKind kind = DatabaseKind::kPostgres;
  std::vector<std::string> flags;  // of the sidecar beside it
};

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  EXPECT_NE(value, nullptr) << name << ": run by tests/run";
  return value == nullptr ? "" : value;
}

std::vector<std::string> NodeCommand(const std::string& package) {
  return {"node", DBOS_PEER_SCRIPTS "/takeover.mjs", package};
}
std::vector<std::string> PythonCommand() {
  return {kPython, DBOS_PEER_SCRIPTS "/takeover.py"};
}

// The newest Python SDK knows two migrations more than we do, indexes of application_versions.
std::vector<Sdk> Sdks() {
  const std::vector<std::string> legacy = {"--legacy-payloads", "on"};  // as the README says
  return {{"npm_5_3_0", NodeCommand("@dbos-inc/dbos-sdk"), "123", "123", DatabaseKind::kPostgres, {}},
          {"npm_5_0_2", NodeCommand("dbos-sdk-5.0"), "114", "123", DatabaseKind::kPostgres, {}},
          {"npm_4_27_6", NodeCommand("dbos-sdk-4.27"), "108", "123", DatabaseKind::kPostgres, legacy},
          {"python", PythonCommand(), "125", "125", DatabaseKind::kPostgres, {}},
          {"python_sqlite", PythonCommand(), "125", "125", DatabaseKind::kSqlite, {}}};
}

class TakeoverTest : public ::testing::TestWithParam<Sdk> {
 protected:
  // What the SDK's application sees of its own workflow "theirs", and of these.
  json RunSdk(const std::vector<std::string>& ids = {}) {
    std::vector<std::string> command = GetParam().command;
    if (command[0] == kPython) command[0] = Environment("DBOS_TEST_PYTHON");
    command.push_back(world_.database_url());
    command.insert(command.end(), ids.begin(), ids.end());
    const Ended ended = RunProgram(command);
    EXPECT_EQ(ended.code, 0) << ended.output;
    const std::size_t end = ended.output.find_last_not_of('\n');
    const std::size_t line = ended.output.rfind('\n', end);
    json seen = json::parse(ended.output.substr(line == std::string::npos ? 0 : line + 1), nullptr, false);
    EXPECT_TRUE(seen.is_object()) << ended.output;
    return seen.is_object() ? seen : json::object();
  }
  // Runs a workflow of ours in a sidecar that ends again.
  std::vector<std::string> RunOurs(const std::string& id) {
    world_.StartSidecar("", GetParam().flags);
    if (!started_) world_.StartApp();
    started_ = true;
    dbos::Client client({.sidecar_address = world_.address()});
    auto handle = client.start<std::vector<std::string>>("ledger", {.workflow_id = id}, 2);
    auto result = handle.result(std::chrono::seconds(20));
    world_.sidecar().Terminate();
    EXPECT_EQ(world_.sidecar().Wait(absl::Seconds(20)), 0) << world_.Logs();
    return result;
  }
  void ExpectSeen(const json& seen, const std::string& id, const std::vector<std::string>& result) {
    const json steps = {"s0", "s1", "left", "right", "ledger_child", "DBOS.getResult", "last"};
    EXPECT_EQ(seen.value(id, json::object()),
              json({{"result", result}, {"name", "ledger"}, {"status", "SUCCESS"}, {"steps", steps}}));
  }
  void ExpectTheirs(const json& seen) {
    EXPECT_EQ(seen.value("theirs", json::object()),
              json({{"result", {{"value", 7}}}, {"name", "theirs"}, {"status", "SUCCESS"}, {"steps", {"their_step"}}}));
  }
  std::string Version() {
    const std::string sql = "SELECT version FROM dbos_migrations";
    const std::string path = world_.database_url().substr(std::string("sqlite:///").size());
    const Ended read =
        GetParam().kind == DatabaseKind::kSqlite
            ? RunProgram({"sqlite3", path, sql})
            : RunProgram({"psql", "-qtAX", world_.database_url(), "-c", "SELECT version FROM dbos.dbos_migrations"});
    return read.output.substr(0, read.output.find('\n'));
  }

  World world_{GetParam().kind};
  bool started_ = false;
};

TEST_P(TakeoverTest, ADatabaseOfAnSdkIsTakenOverAndGivenBack) {
  ExpectTheirs(RunSdk());
  EXPECT_EQ(Version(), GetParam().version);
  const auto ours = RunOurs("ours");
  EXPECT_EQ(Version(), GetParam().given_back);
  const Ended theirs = RunSidecarCommand({"workflow", "get", "theirs", "--json"}, world_.database_url());
  EXPECT_EQ(theirs.code, 0) << theirs.output;
  EXPECT_EQ(json::parse(theirs.output, nullptr, false).value("status", ""), "SUCCESS") << theirs.output;
  const json seen = RunSdk({"ours"});
  ExpectTheirs(seen);
  ExpectSeen(seen, "ours", ours);
  EXPECT_EQ(Version(), GetParam().given_back);
}

// The way back of the others is the second half of the test above, and PeerTest.
class GivenAwayTest : public TakeoverTest {};
TEST_P(GivenAwayTest, ADatabaseOfOursServesAnSdkAndUsAgain) {
  const auto first = RunOurs("first");
  EXPECT_EQ(Version(), "123");
  const json seen = RunSdk({"first"});
  ExpectTheirs(seen);
  ExpectSeen(seen, "first", first);
  EXPECT_EQ(Version(), GetParam().given_back);
  RunOurs("second");
  EXPECT_EQ(Version(), GetParam().given_back);
}

INSTANTIATE_TEST_SUITE_P(Sdks, TakeoverTest, ::testing::ValuesIn(Sdks()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Python, GivenAwayTest, ::testing::Values(Sdks()[3], Sdks()[4]),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace dbos::sidecar
