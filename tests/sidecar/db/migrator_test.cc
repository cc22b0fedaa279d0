#include "sidecar/db/migrator.h"

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"

#include "tests/sidecar/db/catalog.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Undoes the shared migrations on a database at 123, so that it stands as an SDK left it at 99.
constexpr char kBackTo99[] = R"(
ALTER TABLE {schema}workflow_status DROP COLUMN creator_xid;
DROP INDEX {schema}idx_workflow_status_deadline;
ALTER TABLE {schema}notifications DROP COLUMN consumed_by_function_id;
DROP INDEX {schema}idx_operation_outputs_completed_at_function_name_v2;
DROP INDEX {schema}idx_workflow_status_partition_dequeue_v3;
DROP INDEX {schema}idx_workflow_status_in_flight_v2;
DROP INDEX {schema}idx_operation_outputs_retention;
CREATE INDEX idx_operation_outputs_completed_at_function_name ON {schema}operation_outputs
  (completed_at_epoch_ms, function_name);
CREATE INDEX idx_workflow_status_partition_dequeue_v2 ON {schema}workflow_status
  (queue_name, status, queue_partition_key, priority, created_at, workflow_uuid)
  WHERE status IN ('ENQUEUED', 'PENDING') AND queue_partition_key IS NOT NULL;
CREATE INDEX idx_workflow_status_in_flight ON {schema}workflow_status (queue_name, status, priority, created_at)
  WHERE status IN ('ENQUEUED', 'PENDING');
CREATE INDEX idx_notifications ON {schema}notifications (destination_uuid, topic);
DROP TABLE {schema}workflow_input;
DROP TABLE {schema}workflow_output;
DROP INDEX {schema}uq_application_versions_owner_version;
DROP INDEX {schema}uq_application_versions_unclaimed_version;
ALTER TABLE {schema}operation_outputs DROP COLUMN retention_timestamp;
ALTER TABLE {schema}operation_outputs DROP COLUMN application_name;
ALTER TABLE {schema}application_versions DROP COLUMN application_name;
ALTER TABLE {schema}workflow_schedules DROP COLUMN application_name;
ALTER TABLE {schema}queues DROP COLUMN application_name;
ALTER TABLE {schema}queues DROP COLUMN partition_concurrency;
ALTER TABLE {schema}queues DROP COLUMN partition_worker_concurrency;
ALTER TABLE {schema}queues DROP COLUMN partition_rate_limit_max;
ALTER TABLE {schema}queues DROP COLUMN partition_rate_limit_period_sec;
ALTER TABLE {schema}workflow_status DROP COLUMN application_name;
UPDATE {schema}dbos_migrations SET version = 99;
INSERT INTO {schema}workflow_status (workflow_uuid, status, name) VALUES ('old', 'SUCCESS', 'w');
INSERT INTO {schema}operation_outputs (workflow_uuid, function_id, function_name) VALUES ('old', 0, 'step');
)";

// Only PostgreSQL has these.
constexpr char kPostgresBackTo99[] = R"(
ALTER TABLE dbos.operation_outputs ADD CONSTRAINT operation_outputs_workflow_uuid_fkey FOREIGN KEY (workflow_uuid)
  REFERENCES dbos.workflow_status (workflow_uuid) ON UPDATE CASCADE ON DELETE CASCADE;
DROP FUNCTION dbos.enqueue_workflow;
CREATE FUNCTION dbos.enqueue_workflow(TEXT, TEXT, JSON[], JSON, TEXT, TEXT, TEXT, TEXT, BIGINT, BIGINT, TEXT, INT4, TEXT,
  TEXT, TEXT, BIGINT) RETURNS TEXT LANGUAGE sql AS 'SELECT NULL';
)";

class MigratorTest : public OverDatabases {
 protected:
  std::vector<std::string> Catalog(TestDatabase& database) {
    return GetParam() == DatabaseKind::kSqlite ? SqliteCatalog(database) : PostgresCatalog(database);
  }
  std::vector<std::string> Ledger() {
    return database_->Query("SELECT version FROM " + database_->Table("dbos_migrations"));
  }
  void BackTo99() {
    database_->Run(ExpandSql(database_->Open().dialect, kBackTo99));
    if (GetParam() != DatabaseKind::kSqlite) database_->Run(kPostgresBackTo99);
  }
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
