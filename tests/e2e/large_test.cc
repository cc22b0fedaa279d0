// A workflow whose input and output are as large as payloads may be: each fits into a message, both together do not.
#include <string>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kPayloadBytesMax = 4 << 20;

TEST(LargeTest, TheClientDescribesAWorkflowWithTheLargestInputAndOutput) {
  const std::string input(kPayloadBytesMax - std::string(R"({"positionalArgs":[""]})").size(), 'i');
  const std::string output(kPayloadBytesMax - std::string(R"("")").size(), 'o');
  World world(DatabaseKind::kSqlite);
  world.StartSidecar("", {"--name", "large"});
  dbos::App app({.name = "large", .version = "large-1", .sidecar_address = world.address()});
  auto workflow = app.workflow("large", [&](dbos::Context&, const std::string&) { return output; });
  app.launch();
  EXPECT_EQ(workflow.start({.workflow_id = "w"}, input).result(), output);
  dbos::Client client({.sidecar_address = world.address()});
  const dbos::WorkflowInfo info = client.handle<std::string>("w").info();
  EXPECT_EQ(info.status, dbos::WorkflowStatus::kSuccess);
  EXPECT_EQ(info.input.value_or("").size(), kPayloadBytesMax);
  EXPECT_EQ(info.output.value_or("").size(), kPayloadBytesMax);
}

}  // namespace
}  // namespace dbos::sidecar
