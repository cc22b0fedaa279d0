// A migrator dies at every point where it may: the next one ends in the same schema.
#include <thread>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"

#include "sidecar/db/migrator.h"
#include "tests/sidecar/db/catalog.h"
#include "tests/sidecar/db/older_database.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The server ends the session in which `version` is recorded: an online index change before it has happened, anything
// else has not.
constexpr char kDieAt[] = R"(
CREATE OR REPLACE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF NEW.version = %d THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END';
DROP TRIGGER IF EXISTS die ON dbos.dbos_migrations;
CREATE TRIGGER die BEFORE UPDATE ON dbos.dbos_migrations FOR EACH ROW EXECUTE FUNCTION public.die())";

// Once it waits, having left its mark in the catalog.
constexpr char kTerminateIndexBuild[] = R"(
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONCURRENTLY%')";

class InterruptedTest : public testing::Test {
 protected:
  void SetUp() override { BackTo99(*database_); }
  std::string Version() { return database_->Query("SELECT version FROM dbos.dbos_migrations")[0]; }
  std::vector<std::string> InvalidIndexes() {
    return database_->Query("SELECT CAST(indexrelid AS regclass) FROM pg_index WHERE NOT indisvalid");
  }

  const std::unique_ptr<TestDatabase> database_ = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  const std::vector<std::string> fresh_ = PostgresCatalog(*database_);
};

TEST_F(InterruptedTest, AMigratorThatDiesBeforeAnyVersionIsRecordedIsResumed) {
  for (int version = 100; version <= kSchemaVersion; ++version) {
    database_->Run(absl::StrFormat(kDieAt, version));
    const absl::Status died = Migrate(database_->Open()).status();
    EXPECT_TRUE(absl::IsUnavailable(died)) << version << ": " << died;
    EXPECT_EQ(Version(), std::to_string(version - 1));
  }
  database_->Run("DROP TRIGGER die ON dbos.dbos_migrations");
  EXPECT_EQ(*Migrate(database_->Open()), kSchemaVersion);
  EXPECT_EQ(PostgresCatalog(*database_), fresh_);
  EXPECT_THAT(database_->Query("SELECT function_name FROM dbos.operation_outputs"), ElementsAre("step"));
}

// A transaction that has written to the table keeps the index from being finished. Its builder is killed meanwhile, and
// leaves an index that is not valid.
TEST_F(InterruptedTest, AnIndexBuildThatIsKilledIsRepeated) {
  ASSERT_EQ(*Migrate(database_->Open()), kSchemaVersion);
  database_->Run(
      "UPDATE dbos.dbos_migrations SET version = 121; DROP INDEX dbos.idx_workflow_status_deadline; "
      "ALTER TABLE dbos.workflow_status DROP COLUMN creator_xid");
  const auto writer = database_->Open().connect(ConnectionRole::kMigration);
  ASSERT_TRUE(writer->RunScript("BEGIN; UPDATE dbos.workflow_status SET name = 'other'").ok());
  absl::Status died;
  std::thread migrator([&] { died = Migrate(database_->Open()).status(); });
  while (database_->Query(kTerminateIndexBuild).empty()) std::this_thread::yield();
  migrator.join();
  EXPECT_TRUE(absl::IsUnavailable(died)) << died;
  EXPECT_THAT(InvalidIndexes(), ElementsAre("dbos.idx_workflow_status_deadline"));
  EXPECT_EQ(Version(), "121");
  ASSERT_TRUE(writer->RunScript("COMMIT").ok());
  EXPECT_EQ(*Migrate(database_->Open()), kSchemaVersion);
  EXPECT_THAT(InvalidIndexes(), IsEmpty());
  EXPECT_EQ(PostgresCatalog(*database_), fresh_);
}

// The TypeScript SDK takes no lock. Here it has done everything up to 106 when we record 103.
TEST_F(InterruptedTest, AMigratorBesideOneWithoutALockNeverGoesBack) {
  const auto steps = PlanMigrations(database_->Open().dialect, 99);
  for (const MigrationStep& step : *steps) {
    if (step.version <= 106) database_->Run(step.transaction);
  }
  database_->Run("UPDATE dbos.dbos_migrations SET version = 99");
  database_->Run(R"(
CREATE TABLE public.functions (x INT);
CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.functions VALUES (1); END';
CREATE EVENT TRIGGER note ON ddl_command_end WHEN tag IN ('CREATE FUNCTION') EXECUTE FUNCTION public.note();
CREATE TABLE public.seen (version INT);
CREATE FUNCTION public.overtake() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO public.seen VALUES (NEW.version); IF NEW.version = 103 THEN NEW.version = 106; END IF;
   RETURN NEW; END';
CREATE TRIGGER overtake BEFORE UPDATE ON dbos.dbos_migrations FOR EACH ROW EXECUTE FUNCTION public.overtake())");
  EXPECT_EQ(*Migrate(database_->Open()), kSchemaVersion);
  database_->Run("DROP TRIGGER overtake ON dbos.dbos_migrations");
  EXPECT_EQ(PostgresCatalog(*database_), fresh_);
  EXPECT_THAT(database_->Query("SELECT version FROM public.seen ORDER BY version LIMIT 6"),
              ElementsAre("100", "101", "102", "103", "107", "108"));
  // overtake() and version 113, not 105: its function is older than what may be there.
  EXPECT_THAT(database_->Query("SELECT COUNT(*) FROM public.functions"), ElementsAre("2"));
}

}  // namespace
}  // namespace dbos::sidecar
