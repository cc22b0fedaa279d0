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

// The TypeScript SDK takes no lock. Here it has come to 106 while we are at 103.
constexpr char kOvertake[] = R"(
CREATE TABLE public.seen (number SERIAL, what TEXT);
CREATE FUNCTION public.overtake() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN
  INSERT INTO public.seen (what) SELECT object_identity FROM pg_event_trigger_ddl_commands();
  UPDATE dbos.dbos_migrations SET version = 106 FROM pg_event_trigger_ddl_commands() AS c
    WHERE c.object_identity = $$dbos.application_versions$$;
END';
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO public.seen (what) VALUES (NEW.version); RETURN NEW; END';
CREATE TRIGGER note BEFORE UPDATE ON dbos.dbos_migrations FOR EACH ROW EXECUTE FUNCTION public.note();
CREATE EVENT TRIGGER overtake ON ddl_command_end WHEN tag IN ('ALTER TABLE', 'CREATE FUNCTION')
  EXECUTE FUNCTION public.overtake())";

TEST_F(InterruptedTest, AMigratorBesideOneWithoutALockNeverGoesBack) {
  const auto steps = PlanMigrations(database_->Open().dialect, 99);
  for (const MigrationStep& step : *steps) {
    if (step.version <= 106) database_->Run(step.transaction);
  }
  database_->Run("UPDATE dbos.dbos_migrations SET version = 99");
  database_->Run(kOvertake);
  EXPECT_EQ(*Migrate(database_->Open()), kSchemaVersion);
  database_->Run("DROP EVENT TRIGGER overtake; DROP TRIGGER note ON dbos.dbos_migrations");
  EXPECT_EQ(PostgresCatalog(*database_), fresh_);
  // Neither 103 nor the function of 105, which is older than what may be there.
  EXPECT_THAT(database_->Query("SELECT what FROM public.seen ORDER BY number LIMIT 8"),
              ElementsAre("dbos.workflow_status", "100", "dbos.queues", "101", "dbos.workflow_schedules", "102",
                          "dbos.application_versions", "106"));
  EXPECT_THAT(database_->Query("SELECT what FROM public.seen ORDER BY number LIMIT 3 OFFSET 8"),
              ElementsAre("107", "dbos.queues", "dbos.queues"));
}

}  // namespace
}  // namespace dbos::sidecar
