// The system tables in a schema of any name.
#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/e2e/ledger_checks.h"
#include "tests/e2e/program.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

class SchemaTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SchemaTest, WorkflowsRunInIt) {
  ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run";
  World world(DatabaseKind::kPostgres);
  world.StartSidecar("", {"--schema", GetParam()});
  world.StartApp();
  RunToTheEnd(world);
  EXPECT_EQ(world.restarts(), 0) << world.Logs();
  const std::vector<std::string> schemas = world.Query(
      "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg!_%' ESCAPE '!' AND nspname <> 'information_schema' "
      "AND nspname <> 'public'");
  EXPECT_EQ(schemas, std::vector<std::string>{GetParam()});
  const Ended seen = RunSidecarCommand({"workflow", "steps", "w0", "--schema", GetParam()}, world.database_url());
  EXPECT_EQ(seen.code, 0) << seen.output;
  EXPECT_NE(seen.output.find("ledger_child"), std::string::npos) << seen.output;
}

INSTANTIATE_TEST_SUITE_P(Names, SchemaTest,
                         ::testing::Values("My Schema", "we\"ird 'one'", "UPPER", "table", "a.b\\c", "grün 日本",
                                           "{rows}{schema}%s$1", std::string(63, 'x')),
                         [](const auto& test) { return "name_" + std::to_string(test.index); });

TEST(SchemaNameTest, ALongerOneIsRefused) {
  const Ended refused = RunSidecarCommand({"migrate", "--schema", std::string(64, 'x')}, "postgresql://nowhere/x");
  EXPECT_EQ(refused.code, 2) << refused.output;
  EXPECT_NE(refused.output.find("--schema must be a name of 1 to 63 bytes"), std::string::npos) << refused.output;
}

}  // namespace
}  // namespace dbos::sidecar
