#include "sidecar/db/migrator.h"

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"

#include "tests/sidecar/db/catalog.h"
#include "tests/sidecar/db/older_database.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class MigratorTest : public OverDatabases {
 protected:
  std::vector<std::string> Ledger() {
    return database_->Query("SELECT version FROM " + database_->Table("dbos_migrations"));
  }
  void BackTo99() { dbos::sidecar::BackTo99(*database_); }
  void SetVersion(int version) {
    database_->Run(absl::StrCat("UPDATE ", database_->Table("dbos_migrations"), " SET version = ", version));
  }
};

TEST_P(MigratorTest, FreshDatabaseHasOneLedgerRow) {
  EXPECT_THAT(Ledger(), ElementsAre("123"));
  EXPECT_EQ(*Migrate(database_->Open()), 123);
  EXPECT_THAT(Ledger(), ElementsAre("123"));
}

TEST_P(MigratorTest, OldestSharedVersionEndsInTheSameSchemaAsAFreshDatabase) {
  const auto fresh = Catalog(*database_);
  BackTo99();
  ASSERT_NE(Catalog(*database_), fresh);
  const auto version = Migrate(database_->Open());
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(Catalog(*database_), fresh);
  EXPECT_THAT(Ledger(), ElementsAre("123"));
  EXPECT_THAT(database_->Query("SELECT function_name FROM " + database_->Table("operation_outputs")),
              ElementsAre("step"));
}

TEST_P(MigratorTest, InterruptedMigratorIsResumedAtTheVersionItReached) {
  const auto fresh = Catalog(*database_);
  BackTo99();
  // An object in the way of version 109 stands for a crash after 108.
  database_->Run("CREATE TABLE " + database_->Table("workflow_output") + " (x TEXT)");
  EXPECT_FALSE(Migrate(database_->Open()).ok());
  EXPECT_THAT(Ledger(), ElementsAre(GetParam() == DatabaseKind::kSqlite ? "99" : "108"));  // SQLite: all or nothing
  database_->Run("DROP TABLE " + database_->Table("workflow_output"));
  EXPECT_EQ(*Migrate(database_->Open()), 123);
  EXPECT_EQ(Catalog(*database_), fresh);
}

TEST_P(MigratorTest, OlderVersionsAreRefusedWithTheFix) {
  for (const int version : {1, 98}) {
    SetVersion(version);
    const auto migrated = Migrate(database_->Open());
    EXPECT_TRUE(absl::IsFailedPrecondition(migrated.status())) << migrated.status();
    EXPECT_THAT(std::string(migrated.status().message()), HasSubstr(absl::StrCat("version ", version)));
    EXPECT_THAT(std::string(migrated.status().message()), HasSubstr("its own SDK"));
  }
}

TEST_P(MigratorTest, NewerVersionIsLeftAlone) {
  SetVersion(124);
  EXPECT_EQ(*Migrate(database_->Open()), 124);
  EXPECT_THAT(Ledger(), ElementsAre("124"));
}

TEST_P(MigratorTest, TablesWithoutAVersionAreRefused) {
  database_->Run("DELETE FROM " + database_->Table("dbos_migrations"));
  const auto migrated = Migrate(database_->Open());
  EXPECT_TRUE(absl::IsFailedPrecondition(migrated.status())) << migrated.status();
}

TEST_P(MigratorTest, ManyMigratorsAtOnceAllSucceed) {
  const auto fresh = Catalog(*database_);
  for (const bool empty : {true, false}) {
    const auto database = empty ? TestDatabase::Create(GetParam()) : nullptr;
    TestDatabase& target = empty ? *database : *database_;
    if (!empty) BackTo99();
    std::vector<absl::Status> outcomes(4);
    std::vector<std::thread> migrators;
    for (absl::Status& outcome : outcomes) {
      migrators.emplace_back([&outcome, &target] { outcome = Migrate(target.Open()).status(); });
    }
    for (std::thread& migrator : migrators) migrator.join();
    for (const absl::Status& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(Catalog(target), fresh);
  }
}

INSTANTIATE_OVER_DATABASES(MigratorTest);
INSTANTIATE_TEST_SUITE_P(Newest, MigratorTest, testing::Values(DatabaseKind::kPostgres18), DatabaseKindName);

// The Python SDK adds the column of version 110 without its default, and rebuilds the table in version 112.
TEST(SqliteMigratorTest, APythonDatabaseBetween110And112IsFinished) {
  const auto database = TestDatabase::CreateMigrated(DatabaseKind::kSqlite);
  const auto fresh = SqliteCatalog(*database);
  BackTo99(*database);
  ASSERT_EQ(*Migrate(database->Open()), 123);
  database->Run(
      "UPDATE dbos_migrations SET version = 111; DROP TABLE operation_outputs; CREATE TABLE operation_outputs ("
      "workflow_uuid TEXT NOT NULL, function_id INTEGER NOT NULL, function_name TEXT NOT NULL DEFAULT '', output TEXT, "
      "error TEXT, child_workflow_id TEXT, started_at_epoch_ms BIGINT, completed_at_epoch_ms BIGINT, serialization "
      "TEXT, "
      "application_name TEXT, retention_timestamp INTEGER, PRIMARY KEY (workflow_uuid, function_id), "
      "FOREIGN KEY (workflow_uuid) REFERENCES workflow_status (workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE); "
      "INSERT INTO operation_outputs (workflow_uuid, function_id, retention_timestamp) VALUES ('old', 0, NULL), "
      "('old', 1, 7); "
      "ALTER TABLE workflow_status DROP COLUMN creator_xid; ALTER TABLE notifications DROP COLUMN "
      "consumed_by_function_id");
  EXPECT_EQ(*Migrate(database->Open()), 123);
  EXPECT_EQ(SqliteCatalog(*database), fresh);
  EXPECT_THAT(database->Query("SELECT function_id, retention_timestamp > 7 FROM operation_outputs"),
              ElementsAre("0,1", "1,0"));
}

TEST(PostgresMigratorTest, MissingDatabaseIsCreated) {
  const auto server = TestDatabase::Create(DatabaseKind::kPostgres);
  const std::string name = server->Query("SELECT current_database()")[0];
  const std::string missing = name + "_missing";
  const auto database = OpenDatabase(absl::StrReplaceAll(server->url(), {{name, missing}}), "dbos");
  ASSERT_TRUE(database.ok());
  const auto version = Migrate(*database);
  EXPECT_TRUE(version.ok()) << version.status();
  server->Run("DROP DATABASE " + missing + " WITH (FORCE)");
}

TEST(PostgresMigratorTest, AnySchemaNameWorksAndIsTheOnlyOneTouched) {
  const auto database = TestDatabase::Create(DatabaseKind::kPostgres);
  EXPECT_EQ(*Migrate(database->Open("we\"ird %1")), 123);
  EXPECT_THAT(database->Query("SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname NOT LIKE 'pg_%' "
                              "AND schemaname <> 'information_schema'"),
              ElementsAre("we\"ird %1"));
}

TEST(PostgresMigratorTest, AnApplicationThatHasRunInAnotherSchemaIsToldSo) {
  const auto database = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  database->Run(
      "INSERT INTO dbos.application_versions (version_id, version_name, application_name) "
      "VALUES ('1', 'it''s-1', 'it''s')");
  const auto moved = Migrate(database->Open("other"), "it's");
  EXPECT_TRUE(absl::IsFailedPrecondition(moved.status())) << moved.status();
  EXPECT_THAT(std::string(moved.status().message()),
              testing::AllOf(HasSubstr("has run in schema \"dbos\""), HasSubstr("schema \"other\" has no DBOS tables"),
                             HasSubstr("fresh database, or a manual migration")));
  EXPECT_THAT(database->Query("SELECT nspname FROM pg_namespace WHERE nspname = 'other'"), testing::IsEmpty());
  EXPECT_EQ(*Migrate(database->Open(), "it's"), 123);  // where it is
  EXPECT_EQ(*Migrate(database->Open("other"), "another"), 123);
  EXPECT_EQ(*Migrate(database->Open("other"), "it's"), 123);  // somebody has made the tables on purpose
}

TEST(PostgresMigratorTest, RemainsOfAnInterruptedIndexBuildAreReplaced) {
  const auto database = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  const auto fresh = PostgresCatalog(*database);
  database->Run("UPDATE dbos.dbos_migrations SET version = 121");
  database->Run(
      "UPDATE pg_index SET indisvalid = FALSE "
      "WHERE indexrelid = CAST('dbos.idx_workflow_status_deadline' AS regclass)");
  ASSERT_NE(PostgresCatalog(*database), fresh);
  database->Run("ALTER TABLE dbos.workflow_status DROP COLUMN creator_xid");
  EXPECT_EQ(*Migrate(database->Open()), 123);
  EXPECT_EQ(PostgresCatalog(*database), fresh);
}

}  // namespace
}  // namespace dbos::sidecar
