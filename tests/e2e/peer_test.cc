// The official SDK as a peer: its client lists our workflows, their steps and results, and awaits one.
#include <array>
#include <cstdio>
#include <cstdlib>

#include <dbos/dbos.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

nlohmann::json SeenByTheSdk(const World& world, const std::string& id) {
  const std::string command =
      "node '" DBOS_PEER_SCRIPTS "/client.mjs' '" + world.database_url() + "' '" + id + "' 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), n);
  EXPECT_EQ(pclose(pipe), 0) << text;
  // The SDK logs to standard output as well; ours is the last line.
  const std::size_t end = text.find_last_not_of('\n');
  const std::size_t line = text.rfind('\n', end);
  return nlohmann::json::parse(text.substr(line == std::string::npos ? 0 : line + 1), nullptr, false);
}

TEST(PeerTest, TheSdksClientListsOurWorkflowsStepsAndResultsAndAwaitsOne) {
  ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run";
  World world(DatabaseKind::kPostgres);
  world.StartSidecar();
  world.StartApp();
  dbos::Client client({.sidecar_address = world.address()});
  auto handle = client.start<std::vector<std::string>>("ledger", {.workflow_id = "seen"}, 2);
  const nlohmann::json seen = SeenByTheSdk(world, "seen");  // waits for the end
  const auto result = handle.result(std::chrono::seconds(20));
  ASSERT_FALSE(seen.is_discarded());
  EXPECT_EQ(seen["result"], nlohmann::json(result));
  EXPECT_EQ(seen["workflow"]["status"], "SUCCESS");
  EXPECT_EQ(seen["workflow"]["name"], "ledger");
  EXPECT_EQ(seen["workflow"]["application"], "crash-test");
  EXPECT_EQ(seen["workflow"]["version"], "crash-test-1");
  EXPECT_EQ(seen["workflow"]["input"], nlohmann::json::array({2}));
  std::vector<std::string> names;
  for (const auto& step : seen["steps"]) names.push_back(step["name"]);
  EXPECT_EQ(names, (std::vector<std::string>{"s0", "s1", "left", "right", "ledger_child", "DBOS.getResult", "last"}));
  EXPECT_EQ(seen["steps"][0]["output"], result[0]);
  EXPECT_EQ(seen["steps"][4]["child"], "seen-4");
  EXPECT_EQ(seen["steps"][5]["child"], "seen-4");
  EXPECT_EQ(seen["steps"][6]["id"], 6);
}

TEST(PeerTest, AFailureReachesTheSdkWithNameAndMessage) {
  ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run";
  World world(DatabaseKind::kPostgres);
  world.StartSidecar();
  world.StartApp();
  dbos::Client client({.sidecar_address = world.address()});
  // The argument is not a number: the workflow ends with the error that names its parameter.
  auto handle = client.start<std::vector<std::string>>("ledger", {.workflow_id = "wrong"}, std::string("many"));
  EXPECT_THROW(handle.result(std::chrono::seconds(20)), dbos::WorkflowError);
  const nlohmann::json seen = SeenByTheSdk(world, "wrong");
  ASSERT_FALSE(seen.is_discarded());
  EXPECT_EQ(seen["workflow"]["status"], "ERROR");
  EXPECT_FALSE(seen["error"]["message"].get<std::string>().empty());
}

}  // namespace
}  // namespace dbos::sidecar
