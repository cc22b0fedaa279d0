// The SQL that `dbos-sidecar migrate --print` shows: what psql and sqlite3 make of it is what a migrator makes.
#include <cstdlib>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include "sidecar/db/migrator.h"
#include "tests/sidecar/db/catalog.h"
#include "tests/sidecar/db/older_database.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ScriptTest : public OverDatabases {
 protected:
  std::string Script(TestDatabase& database, int from) {
    const Database opened = database.Open();
    const auto invalid = FindInvalidIndexes(opened.dialect, *opened.connect(ConnectionRole::kInspection));
    const auto script = MigrationScript(opened.dialect, from, *invalid);
    EXPECT_TRUE(script.ok()) << script.status();
    return *script;
  }
  // As the head of the script says.
  void Run(TestDatabase& database, const std::string& script) {
    const std::string file = absl::StrCat(testing::TempDir(), "script_test.", getpid(), ".sql");
    std::ofstream(file) << script;
    const std::string path = database.Open().sqlite_path;
    const std::string command =
        path.empty() ? absl::StrCat("psql -q -X -v ON_ERROR_STOP=1 -f '", file, "' '", database.url(), "' 2>&1")
                     : absl::StrCat("sqlite3 -bail '", path, "' < '", file, "'");
    EXPECT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe)
    std::remove(file.c_str());
  }
};

TEST_P(ScriptTest, TheWholeSchemaEqualsAMigratorsOwn) {
  const auto empty = TestDatabase::Create(GetParam());
  Run(*empty, Script(*empty, 0));
  EXPECT_EQ(Catalog(*empty), Catalog(*database_));
  EXPECT_THAT(empty->Query("SELECT version FROM " + empty->Table("dbos_migrations")), ElementsAre("123"));
  EXPECT_EQ(*Migrate(empty->Open()), 123);
}

TEST_P(ScriptTest, AnOlderDatabaseGetsWhatItLacks) {
  const auto fresh = Catalog(*database_);
  BackTo99(*database_);
  const std::string script = Script(*database_, 99);
  const auto older = Catalog(*database_);
  ASSERT_NE(older, fresh);
  Run(*database_, script);
  EXPECT_EQ(Catalog(*database_), fresh);
  EXPECT_THAT(database_->Query("SELECT version FROM " + database_->Table("dbos_migrations")), ElementsAre("123"));
}

TEST_P(ScriptTest, ThereIsNothingToDoForAnUpToDateOrNewerDatabase) {
  for (const int version : {123, 124}) {
    const std::string script = Script(*database_, version);
    EXPECT_THAT(script, HasSubstr("nothing to do"));
    EXPECT_FALSE(absl::StrContains(script, ";"));
  }
}

TEST_P(ScriptTest, VersionsBelow99HaveNone) {
  EXPECT_TRUE(absl::IsFailedPrecondition(MigrationScript(database_->Open().dialect, 98, {}).status()));
}

INSTANTIATE_OVER_DATABASES(ScriptTest);

TEST(PostgresScriptTest, RemainsOfAnInterruptedIndexBuildAreReplaced) {
  const auto database = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  const auto fresh = PostgresCatalog(*database);
  database->Run(
      "UPDATE dbos.dbos_migrations SET version = 121; UPDATE pg_index SET indisvalid = FALSE "
      "WHERE indexrelid = CAST('dbos.idx_workflow_status_deadline' AS regclass)");
  const Database opened = database->Open();
  const auto invalid = FindInvalidIndexes(opened.dialect, *opened.connect(ConnectionRole::kInspection));
  EXPECT_THAT(*invalid, ElementsAre("idx_workflow_status_deadline"));
  EXPECT_THAT(*MigrationScript(opened.dialect, 121, *invalid),
              HasSubstr("DROP INDEX CONCURRENTLY IF EXISTS \"dbos\".idx_workflow_status_deadline;"));
}

}  // namespace
}  // namespace dbos::sidecar
