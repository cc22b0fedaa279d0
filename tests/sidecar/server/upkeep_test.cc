// `dbos-sidecar reset` and `rename-application` as a user meets them, on every database.
#include <csignal>

#include "gmock/gmock.h"

#include "tests/sidecar/server/program.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class UpkeepTest : public OverDatabases {
 protected:
  void SetUp() override {
    // This session is nobody's who would be in the way.
    if (GetParam() == DatabaseKind::kPostgres) database_->Run("SET application_name = 'upkeep_test'");
    const std::string statuses = database_->Table("workflow_status");
    database_->Run("INSERT INTO " + statuses +
                   " (workflow_uuid, status, application_name) VALUES ('a', 'SUCCESS', 'old'), " +
                   "('b', 'PENDING', 'old'), ('c', 'ENQUEUED', NULL)");
    database_->Run("INSERT INTO " + database_->Table("operation_outputs") +
                   " (workflow_uuid, function_id, application_name) VALUES ('a', 0, 'old')");
    database_->Run("INSERT INTO " + database_->Table("workflow_events") +
                   " (workflow_uuid, key, value) VALUES ('a', 'k', '1')");
  }
  std::string End(std::vector<std::string> arguments, int code) {
    arguments.insert(arguments.end(), {"--database", database_->url()});
    Program program(directory_, "end", arguments);
    EXPECT_EQ(program.Wait(), code) << program.Output();
    return program.Output();
  }
  std::string Count(const std::string& table) {
    const auto counts = database_->Query("SELECT COUNT(*) FROM " + database_->Table(table));
    return counts.empty() ? "no such table" : counts[0];
  }

  const TemporaryDirectory directory_;
};

TEST_P(UpkeepTest, ResetSaysFirstWhatWouldBeLost) {
  const std::string output = End({"reset", "--name", "shop"}, 2);
  EXPECT_THAT(output, HasSubstr("with 3 workflows (2 of them not ended) and 1 steps, of every application; add --yes"));
  EXPECT_EQ(Count("workflow_status"), "3");
}

TEST_P(UpkeepTest, ResetMakesTheTablesAnewAndLeavesTheRest) {
  const bool schemas = GetParam() == DatabaseKind::kPostgres;
  database_->Run("CREATE TABLE " + database_->Table("mine") + " (x TEXT)");
  database_->Run(schemas ? "CREATE SCHEMA dbos_sidecar; CREATE TABLE dbos_sidecar.lease (x TEXT)"
                         : "CREATE TABLE dbos_sidecar_lease (x TEXT)");
  database_->Run("UPDATE " + database_->Table("dbos_migrations") + " SET version = 7");  // of whatever version it is
  EXPECT_THAT(End({"reset", "--name", "shop", "--yes"}, 0), HasSubstr("is empty, at schema version 123"));
  EXPECT_EQ(Count("workflow_status"), "0");
  EXPECT_EQ(Count("operation_outputs"), "0");
  EXPECT_EQ(Count("mine"), "0");
  EXPECT_THAT(database_->Query("SELECT version FROM " + database_->Table("dbos_migrations")), ElementsAre("123"));
  EXPECT_THAT(database_->Query(schemas ? "SELECT COUNT(*) FROM pg_tables WHERE tablename = 'lease'"
                                       : "SELECT COUNT(*) FROM sqlite_master WHERE name = 'dbos_sidecar_lease'"),
              ElementsAre("0"));
  EXPECT_THAT(End({"reset", "--name", "shop", "--yes"}, 0), HasSubstr("is empty"));
}

TEST_P(UpkeepTest, ResetIsRefusedWhileASidecarServes) {
  Program sidecar(directory_, "serve", {"serve", "--name", "shop", "--database", database_->url()});
  ASSERT_TRUE(sidecar.Prints("sidecar is ready")) << sidecar.Output();
  EXPECT_THAT(End({"reset", "--name", "shop", "--yes"}, 3),
              HasSubstr(GetParam() == DatabaseKind::kSqlite ? "in use by the process"
                                                            : "sidecars or DBOS applications are connected"));
  EXPECT_EQ(Count("workflow_status"), "3");
}

TEST_P(UpkeepTest, RenamingAsksFirstAndCountsWhatItRenamed) {
  EXPECT_THAT(End({"rename-application", "--from", "old", "--to", "new"}, 2),
              HasSubstr("this gives the rows of \"old\" to \"new\""));
  EXPECT_THAT(End({"rename-application", "--from", "old", "--to", "new", "--yes"}, 0),
              HasSubstr("\"workflows\": 2,\n  \"steps\": 1\n"));
  EXPECT_THAT(database_->Query("SELECT application_name FROM " + database_->Table("workflow_status") +
                               " ORDER BY workflow_uuid"),
              ElementsAre("new", "new", "-"));
  EXPECT_THAT(End({"rename-application", "--adopt-unclaimed-rows", "--name", "new", "-y"}, 0),
              HasSubstr("\"workflows\": 1,"));
  EXPECT_THAT(End({"workflow", "list", "--name", "new"}, 0), HasSubstr("ENQUEUED"));
}

TEST_P(UpkeepTest, ARenamingThatMeansNothingIsRefused) {
  EXPECT_THAT(End({"rename-application", "--to", "new", "--yes"}, 2), HasSubstr("--from, or --adopt-unclaimed-rows"));
  EXPECT_THAT(End({"rename-application", "--from", "new", "--to", "new", "--yes"}, 2), HasSubstr("are the same"));
  EXPECT_THAT(End({"rename-application", "--from", "", "--to", "new", "--yes"}, 2), HasSubstr("--from, is empty"));
  EXPECT_THAT(End({"rename-application", "--from", "old", "--to", "New", "--yes"}, 2),
              HasSubstr("invalid application name \"New\""));
  EXPECT_THAT(End({"rename-application", "--from", "old", "--to", "new", "--batch-size", "0", "--yes"}, 2),
              HasSubstr("--batch-size"));
}

INSTANTIATE_OVER_DATABASES(UpkeepTest);

}  // namespace
}  // namespace dbos::sidecar
