#include "sidecar/db/application_migrator.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include "sidecar/base/status.h"
#include "sidecar/db/application_ledger.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Files = std::vector<std::pair<std::string, std::string>>;  // name, text

class ApplicationMigratorTest : public testing::TestWithParam<DatabaseKind> {
 protected:
  static std::vector<MigrationFile> Checked(const Files& files) {
    std::vector<SqlFile> read;
    for (const auto& [name, content] : files) read.push_back({"db", name, content});
    absl::StatusOr<std::vector<MigrationFile>> checked = CheckMigrationFiles(std::move(read));
    EXPECT_TRUE(checked.ok()) << checked.status();
    return *std::move(checked);
  }

  absl::StatusOr<std::vector<MigrationEntry>> Run(const Files& files, const MigrationRun& run = {}) {
    return RunMigrations(database_->Open(), Checked(files), run);
  }

  // Which files this run applied.
  std::vector<std::string> Applied(const Files& files, const MigrationChoices& choices = {}) {
    const auto entries = Run(files, {.choices = choices});
    EXPECT_TRUE(entries.ok()) << entries.status();
    std::vector<std::string> names;
    if (!entries.ok()) return names;
    for (const MigrationEntry& entry : *entries) {
      if (entry.applied_now) names.push_back(entry.name);
    }
    return names;
  }

  std::string Error(const Files& files, const MigrationChoices& choices = {}) {
    const auto entries = Run(files, {.choices = choices});
    return entries.ok() ? "" : Message(entries.status());
  }

  std::vector<std::string> States(const Files& files) {
    const auto entries = InspectMigrations(database_->Open(), Checked(files));
    EXPECT_TRUE(entries.ok()) << entries.status();
    std::vector<std::string> states;
    for (const MigrationEntry& entry : *entries) states.push_back(entry.name + " " + ToString(entry.state));
    return states;
  }

  std::vector<std::string> Ledger() {
    return database_->Query(
        absl::StrCat("SELECT name, state FROM ", database_->Open().dialect.application_ledger, " ORDER BY number"));
  }

  bool postgres() const { return GetParam() == DatabaseKind::kPostgres; }

  const std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(GetParam());
};

TEST_P(ApplicationMigratorTest, RunsWhatIsPendingInOrderAndOnce) {
  Files files = {{"10_c.sql", "INSERT INTO a VALUES ((SELECT COUNT(*) FROM a))"},
                 {"2_b.sql", "\xEF\xBB\xBFINSERT INTO a VALUES (7);\r\nINSERT INTO a VALUES (8);\r\n"},
                 {"0001_a.sql", "CREATE TABLE a (x INTEGER);"},
                 {"3_empty.sql", ""}};
  EXPECT_THAT(Applied(files), ElementsAre("0001_a.sql", "2_b.sql", "3_empty.sql", "10_c.sql"));
  EXPECT_THAT(database_->Query("SELECT x FROM a ORDER BY x"), ElementsAre("2", "7", "8"));
  EXPECT_THAT(Applied(files), IsEmpty());
  files.emplace_back("11_d.sql", "DELETE FROM a WHERE x = 7");
  EXPECT_THAT(Applied(files), ElementsAre("11_d.sql"));
  EXPECT_THAT(database_->Query("SELECT x FROM a ORDER BY x"), ElementsAre("2", "8"));
}

TEST_P(ApplicationMigratorTest, TheLedgerSaysWhatWhenAndHowLong) {
  const auto entries = Run({{"0001_a.sql", "CREATE TABLE a (x INTEGER)"}});
  ASSERT_TRUE(entries.ok()) << entries.status();
  const auto again = InspectMigrations(database_->Open(), Checked({{"0001_a.sql", "CREATE TABLE a (x INTEGER)"}}));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)[0].state, MigrationState::kApplied);
  EXPECT_LT(std::abs((*again)[0].applied_at_ms - (*entries)[0].applied_at_ms), 60'000);
  EXPECT_EQ((*again)[0].duration_ms, (*entries)[0].duration_ms);
  EXPECT_THAT(database_->Query(absl::StrCat("SELECT number, name, LENGTH(checksum), state FROM ",
                                            database_->Open().dialect.application_ledger)),
              ElementsAre("1,0001_a.sql,64,applied"));
}

TEST_P(ApplicationMigratorTest, OnlyOurLedgerIsAddedToTheUsersDatabase) {
  EXPECT_THAT(Applied({}), IsEmpty());
  const auto tables = database_->Query(
      postgres()
          ? "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
          : "SELECT name FROM sqlite_master WHERE type = 'table'");
  EXPECT_THAT(tables,
              ElementsAre(postgres() ? "dbos_sidecar,application_migrations" : "dbos_sidecar_application_migrations"));
}

TEST_P(ApplicationMigratorTest, InspectingCreatesAndChangesNothing) {
  EXPECT_THAT(States({{"1_a.sql", "CREATE TABLE a (x INTEGER)"}}), ElementsAre("1_a.sql pending"));
  EXPECT_THAT(database_->Query(postgres() ? "SELECT nspname FROM pg_namespace WHERE nspname = 'dbos_sidecar'"
                                          : "SELECT name FROM sqlite_master"),
              IsEmpty());
}

TEST_P(ApplicationMigratorTest, AFailedFileLeavesNothingAndIsResumed) {
  Files files = {{"1_a.sql", "CREATE TABLE a (x INTEGER UNIQUE)"},
                 {"2_b.sql", "INSERT INTO a VALUES (1);\nCREATE TABLE b (x INTEGER);\n\nINSERT INTO a VALUES (1);\n"},
                 {"3_c.sql", "CREATE TABLE c (x INTEGER)"}};
  const std::string error = Error(files);
  EXPECT_THAT(error, HasSubstr("db/2_b.sql: line 4: "));
  EXPECT_THAT(error,
              HasSubstr(postgres() ? "duplicate key value violates unique constraint" : "UNIQUE constraint failed"));
  EXPECT_THAT(error, HasSubstr("; nothing of this file stays; applied before it: 1 file"));
  EXPECT_THAT(States(files), ElementsAre("1_a.sql applied", "2_b.sql pending", "3_c.sql pending"));
  EXPECT_THAT(database_->Query("SELECT x FROM a"), IsEmpty());
  files[1].second = "INSERT INTO a VALUES (1);\nCREATE TABLE b (x INTEGER);";
  EXPECT_THAT(Applied(files), ElementsAre("2_b.sql", "3_c.sql"));
}

TEST_P(ApplicationMigratorTest, AnErrorHasTheLineWhereItIs) {
  const std::vector<std::pair<std::string, int>> texts = {
      {"SELEC 1", 1},
      {"SELECT 1;\n\n-- a comment\nSELECT 2;\nSELECT\n 3,\n  nowhere;\n", 7},
      {"SELECT '\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4',\r\n'\xE2\x82\xAC'\r\n, nowhere", 3},
      {"/* two\nlines */ SELECT 1; SELECT 'a\nb', nowhere", 3}};
  for (const auto& [text, line] : texts) {
    EXPECT_THAT(Error({{"1_a.sql", text}}), HasSubstr(absl::StrCat("db/1_a.sql: line ", line, ": "))) << text;
  }
}

TEST_P(ApplicationMigratorTest, NothingRunsWhenAnyFileIsRefused) {
  const Files files = {{"1_a.sql", "CREATE TABLE a (x INTEGER)"}, {"2_b.sql", "CREATE TABLE b (x INTEGER);\nCOMMIT;"}};
  EXPECT_THAT(Error(files), HasSubstr("db/2_b.sql: line 2: COMMIT begins or ends a transaction"));
  EXPECT_TRUE(absl::IsInvalidArgument(Run(files).status()));
  EXPECT_THAT(States(files), ElementsAre("1_a.sql pending", "2_b.sql pending"));
}

TEST_P(ApplicationMigratorTest, WhatWasAppliedIsFinal) {
  Files files = {{"1_a.sql", "CREATE TABLE a (x INTEGER)"}, {"3_c.sql", "CREATE TABLE c (x INTEGER)"}};
  EXPECT_THAT(Applied(files), ElementsAre("1_a.sql", "3_c.sql"));
  files[0].second = "CREATE TABLE a (x INTEGER, y INTEGER)";
  files.emplace_back("4_d.sql", "CREATE TABLE d (x INTEGER)");
  EXPECT_THAT(Error(files), HasSubstr("db/1_a.sql was applied with the SHA-256 "));
  EXPECT_THAT(States(files), ElementsAre("1_a.sql changed", "3_c.sql applied", "4_d.sql pending"));
  EXPECT_THAT(Applied(files, {.mark_applied = {"1_a.sql"}}), ElementsAre("4_d.sql"));
  EXPECT_THAT(Applied(files), IsEmpty());
}

TEST_P(ApplicationMigratorTest, ANewFileBelowTheNewestNeedsPermission) {
  Files files = {{"1_a.sql", ""}, {"3_c.sql", ""}};
  EXPECT_THAT(Applied(files), ElementsAre("1_a.sql", "3_c.sql"));
  files.emplace_back("2_b.sql", "");
  EXPECT_THAT(Error(files), HasSubstr("db/2_b.sql is new, but its number is below"));
  EXPECT_THAT(Applied(files, {.allow_out_of_order = true}), ElementsAre("2_b.sql"));
}

TEST_P(ApplicationMigratorTest, AMissingFileIsReported) {
  EXPECT_THAT(Applied({{"1_a.sql", ""}, {"2_b.sql", ""}}), ElementsAre("1_a.sql", "2_b.sql"));
  EXPECT_THAT(States({{"2_b.sql", ""}, {"3_c.sql", ""}}),
              ElementsAre("1_a.sql missing", "2_b.sql applied", "3_c.sql pending"));
  EXPECT_THAT(Applied({{"2_b.sql", ""}, {"3_c.sql", ""}}), ElementsAre("3_c.sql"));
}

TEST_P(ApplicationMigratorTest, EachFileHasASessionOfItsOwn) {
  const std::string leaves = postgres() ? "CREATE SCHEMA s; SET search_path TO s; CREATE TEMP TABLE t (x INTEGER)"
                                        : "CREATE TEMP TABLE t (x INTEGER); PRAGMA case_sensitive_like = ON";
  const std::string finds = postgres() ? "CREATE TABLE t (x INTEGER); SELECT * FROM public.t"
                                       : "CREATE TABLE t (x INTEGER); SELECT * FROM main.t";
  EXPECT_THAT(Applied({{"1_a.sql", leaves}, {"2_b.sql", finds}}), ElementsAre("1_a.sql", "2_b.sql"));
}

TEST_P(ApplicationMigratorTest, WhatNoTransactionHoldsNeedsAFileWithoutOne) {
  const std::string statement = postgres() ? "CREATE INDEX CONCURRENTLY i ON a (x)" : "VACUUM";
  Files files = {{"1_a.sql", "CREATE TABLE a (x INTEGER)"}, {"2_b.sql", statement}};
  EXPECT_THAT(Error(files), HasSubstr("put it into a file with the first line \"-- dbos: no-transaction\""));
  files[1].second = absl::StrCat("-- dbos: no-transaction\n", statement, ";\nANALYZE a;\n");
  EXPECT_THAT(Applied(files), ElementsAre("2_b.sql"));
  EXPECT_THAT(Ledger(), ElementsAre("1_a.sql,applied", "2_b.sql,applied"));
}

TEST_P(ApplicationMigratorTest, AFileWithoutATransactionThatFailsWaitsForADecision) {
  Files files = {{"1_a.sql", "-- dbos: no-transaction\nCREATE TABLE a (x INTEGER);\nINSERT INTO b VALUES (1);"},
                 {"2_b.sql", ""}};
  EXPECT_THAT(Error(files), HasSubstr("db/1_a.sql: line 3: "));
  EXPECT_THAT(Ledger(), ElementsAre("1_a.sql,failed"));
  const std::string error = Error(files);
  EXPECT_THAT(error, HasSubstr("db/1_a.sql failed outside of a transaction"));
  EXPECT_THAT(error, HasSubstr(postgres() ? "relation \"b\" does not exist" : "no such table: b"));
  EXPECT_THAT(error, HasSubstr("--rerun 1_a.sql"));
  database_->Run("DROP TABLE a");
  files[0].second = "-- dbos: no-transaction\nCREATE TABLE a (x INTEGER);";
  EXPECT_THAT(Applied(files, {.rerun = {"1_a.sql"}}), ElementsAre("1_a.sql", "2_b.sql"));
  EXPECT_THAT(Ledger(), ElementsAre("1_a.sql,applied", "2_b.sql,applied"));
}

TEST_P(ApplicationMigratorTest, AFileMayBeMarkedAsAppliedWithoutRunningIt) {
  EXPECT_THAT(Applied({{"1_a.sql", "THIS IS NOT SQL"}, {"2_b.sql", ""}}, {.mark_applied = {"1_a.sql"}}),
              ElementsAre("2_b.sql"));
  EXPECT_THAT(Ledger(), ElementsAre("1_a.sql,applied", "2_b.sql,applied"));
}

// What stays behind when a migrator is killed between the row and the end of the file.
TEST_P(ApplicationMigratorTest, AFileWithoutATransactionThatWasInterruptedIsNotRunAgain) {
  const Files files = {{"1_a.sql", "-- dbos: no-transaction\nCREATE TABLE a (x INTEGER)"}};
  EXPECT_THAT(Applied({}), IsEmpty());
  const auto connection = database_->Open().connect(ConnectionRole::kMigration);
  ASSERT_TRUE(ApplicationLedger::Add(*connection, Checked(files)[0], MigrationState::kInterrupted).ok());
  EXPECT_THAT(Error(files), HasSubstr("or was interrupted there"));
  EXPECT_THAT(Applied(files, {.rerun = {"1_a.sql"}}), ElementsAre("1_a.sql"));
}

TEST_P(ApplicationMigratorTest, ManyAtOnceRunEachFileOnce) {
  database_->Run("CREATE TABLE a (x INTEGER)");
  Files files;
  for (int n = 0; n < 12; ++n) {
    files.emplace_back(absl::StrCat(n, "_a.sql"), absl::StrCat("INSERT INTO a VALUES (", n, ")"));
  }
  std::vector<absl::Status> outcomes(4);
  std::vector<std::thread> migrators;
  for (absl::Status& outcome : outcomes) {
    migrators.emplace_back([&] { outcome = Run(files).status(); });
  }
  for (std::thread& migrator : migrators) migrator.join();
  for (const absl::Status& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome;
  EXPECT_THAT(database_->Query("SELECT COUNT(*), COUNT(DISTINCT x) FROM a"), ElementsAre("12,12"));
  EXPECT_EQ(Ledger().size(), 12U);
}

// The session of a migrator that was killed may go on for a while: the row at its key makes the next one wait.
TEST_P(ApplicationMigratorTest, AFileThatIsStillRunningInADeadMigratorsSessionIsWaitedFor) {
  const Files files = {{"1_a.sql", "CREATE TABLE a (x INTEGER)"}};
  EXPECT_THAT(Applied({}), IsEmpty());
  const auto session = database_->Open().connect(ConnectionRole::kMigration);
  ASSERT_TRUE(session->RunScript(database_->Open().dialect.begin).ok());
  ASSERT_TRUE(ApplicationLedger::Add(*session, Checked(files)[0], MigrationState::kApplied).ok());
  ASSERT_TRUE(session->RunScript("CREATE TABLE a (x INTEGER)").ok());
  absl::StatusOr<std::vector<MigrationEntry>> outcome;
  std::thread migrator([&] { outcome = Run(files); });
  if (postgres()) {
    while (database_->Query("SELECT 1 FROM pg_locks WHERE NOT granted").empty()) std::this_thread::yield();
  }
  ASSERT_TRUE(session->RunScript("COMMIT").ok());
  migrator.join();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ((*outcome)[0].state, MigrationState::kApplied);
  EXPECT_FALSE((*outcome)[0].applied_now);
}

TEST_P(ApplicationMigratorTest, StopsBetweenFilesWhenAskedTo) {
  const Files files = {{"1_a.sql", ""}, {"2_b.sql", ""}};
  int asked = 0;
  const auto stopped = Run(files, {.stopping = [&] { return asked++ > 0; }});
  EXPECT_TRUE(absl::IsUnavailable(stopped.status())) << stopped.status();
  EXPECT_THAT(Message(stopped.status()), HasSubstr("applied before it: 1 file"));
  EXPECT_THAT(Applied(files), ElementsAre("2_b.sql"));
}

INSTANTIATE_OVER_DATABASES(ApplicationMigratorTest);

class PostgresApplicationMigratorTest : public ApplicationMigratorTest {};

TEST_P(PostgresApplicationMigratorTest, ADeferredConstraintFailsAtTheEnd) {
  EXPECT_THAT(Error({{"1_a.sql",
                      "CREATE TABLE a (x INTEGER PRIMARY KEY, y INTEGER REFERENCES a DEFERRABLE INITIALLY "
                      "DEFERRED); INSERT INTO a VALUES (1, 2)"}}),
              HasSubstr("db/1_a.sql: at its end, when the transaction commits: PostgreSQL: insert or update on table"));
  EXPECT_THAT(Ledger(), IsEmpty());
}

TEST_P(PostgresApplicationMigratorTest, AFileMayTakeAnotherRoleOrTimeout) {
  database_->Run("DO $$ BEGIN CREATE ROLE dbos_test_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
  EXPECT_THAT(Applied({{"1_a.sql", "SET ROLE dbos_test_owner; SET statement_timeout = 1"},
                       {"2_b.sql", "-- dbos: no-transaction\nSET ROLE dbos_test_owner"},
                       {"3_c.sql", "SELECT pg_sleep(0.01); CREATE TABLE c (x INTEGER)"}}),
              ElementsAre("1_a.sql", "2_b.sql", "3_c.sql"));
}

TEST_P(PostgresApplicationMigratorTest, ADatabaseOfAnotherEncodingGetsTheSameText) {
  const std::string name = database_->Query("SELECT current_database()")[0] + "_latin1";
  database_->Run("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
  std::string url = database_->url();
  url.replace(url.find("/dbos_test"), name.size() - 6, "/" + name);
  const auto latin1 = OpenDatabase(url.substr(0, url.find(name) + name.size()) + url.substr(url.find('?')), "dbos");
  ASSERT_TRUE(latin1.ok());
  const auto run = RunMigrations(*latin1, Checked({{"1_a.sql", "CREATE TABLE a AS SELECT '\xC3\xA4' AS x"}}), {});
  EXPECT_TRUE(run.ok()) << run.status();
  const auto length = latin1->connect(ConnectionRole::kMigration)->RunScript("SELECT LENGTH(x) FROM a");
  ASSERT_TRUE(length.ok()) << length.status();
  EXPECT_EQ((*length)[0].Int(0), 1);
  database_->Run("DROP DATABASE " + name + " WITH (FORCE)");
}

TEST_P(PostgresApplicationMigratorTest, TheWaitForAnotherMigratorIsBounded) {
  database_->Run("SELECT pg_advisory_lock(7234309766871114497)");
  const auto run = Run({{"1_a.sql", ""}}, {.lock_wait = absl::Milliseconds(200)});
  EXPECT_TRUE(absl::IsUnavailable(run.status())) << run.status();
  EXPECT_THAT(Message(run.status()), HasSubstr("has been locked for 200ms (another process migrates it)"));
}

TEST_P(PostgresApplicationMigratorTest, ARoleThatMayNotCreateSchemasIsToldTheFix) {
  database_->Run("DO $$ BEGIN CREATE ROLE dbos_test_poor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
  std::string url = database_->url();
  url.replace(url.find("postgres@"), 9, "dbos_test_poor@");
  const auto poor = OpenDatabase(url, "dbos");
  ASSERT_TRUE(poor.ok());
  const auto run = RunMigrations(*poor, Checked({{"1_a.sql", ""}}), {});
  EXPECT_THAT(Message(run.status()), HasSubstr("cannot create dbos_sidecar.application_migrations"));
  EXPECT_THAT(Message(run.status()), HasSubstr("permission denied for database"));
  EXPECT_THAT(Message(run.status()), HasSubstr("create the schema for this one"));
}

INSTANTIATE_TEST_SUITE_P(Postgres, PostgresApplicationMigratorTest, testing::Values(DatabaseKind::kPostgres),
                         DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
