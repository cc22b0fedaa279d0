// sidecar.migrations and `dbos-sidecar migrate` as a user meets them, on every database.
#include <csignal>
#include <filesystem>
#include <thread>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"

#include "tests/sidecar/server/program.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class MigrateTest : public OverDatabases {
 protected:
  std::vector<std::string> Arguments(const std::string& command, const std::vector<std::string>& more,
                                     const std::string& url) const {
    std::vector<std::string> arguments = {command, "--name", "shop", "--database", url};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // Runs to its end and expects this code; what it printed.
  std::string End(const std::string& command, const std::vector<std::string>& more, int code, TestDatabase& on) {
    Program program(directory_, "end", Arguments(command, more, on.url()));
    EXPECT_EQ(program.Wait(), code) << program.Output();
    return program.Output();
  }
  void ExpectServes(const std::vector<std::string>& more, TestDatabase& on) {
    const std::string log = "serve-" + std::to_string(++served_);  // not the one that an earlier sidecar wrote
    Program program(directory_, log, Arguments("serve", more, on.url()));
    EXPECT_TRUE(program.Prints("sidecar is ready")) << program.Output();
    program.Send(SIGTERM);
    EXPECT_EQ(program.Wait(), 0) << program.Output();
  }
  void SetVersion(const std::string& version) {
    database_->Run("UPDATE " + database_->Table("dbos_migrations") + " SET version = " + version);
  }
  std::vector<std::string> Tables(TestDatabase& database) const {
    return database.Query(GetParam() == DatabaseKind::kSqlite
                              ? "SELECT name FROM sqlite_master"
                              : "SELECT tablename FROM pg_tables WHERE schemaname = 'dbos'");
  }

  const TemporaryDirectory directory_;
  int served_ = 0;
};

TEST_P(MigrateTest, VerifyAndOffMakeNoTables) {
  const auto empty = TestDatabase::Create(GetParam());
  for (const std::string mode : {"verify", "off"}) {
    const std::string output = End("serve", {"--migrations", mode}, 3, *empty);
    EXPECT_THAT(output, HasSubstr("has no DBOS tables, and with sidecar.migrations: " + mode));
    EXPECT_THAT(output, HasSubstr("run dbos-sidecar migrate"));
  }
  EXPECT_FALSE(std::filesystem::exists(empty->Open().sqlite_path));
  EXPECT_THAT(Tables(*empty), IsEmpty());
}

TEST_P(MigrateTest, VerifyRefusesAnOlderVersionAndOffDoesNotLook) {
  SetVersion("121");
  const std::string output = End("serve", {"--migrations", "verify"}, 3, *database_);
  EXPECT_THAT(output, HasSubstr("is at schema version 121, this sidecar needs version 123"));
  EXPECT_THAT(output, HasSubstr("run dbos-sidecar migrate"));
  ExpectServes({"--migrations", "off"}, *database_);
  EXPECT_THAT(database_->Query("SELECT version FROM " + database_->Table("dbos_migrations")), ElementsAre("121"));
}

TEST_P(MigrateTest, VerifyServesOurVersionAndNewerOnes) {
  ExpectServes({"--migrations", "verify"}, *database_);
  SetVersion("125");
  ExpectServes({"--migrations", "verify"}, *database_);
}

TEST_P(MigrateTest, MigrateMigratesWhateverTheSettingSays) {
  const auto empty = TestDatabase::Create(GetParam());
  EXPECT_THAT(End("migrate", {"--migrations", "off"}, 0, *empty), HasSubstr("is at schema version 123"));
  ExpectServes({"--migrations", "verify"}, *empty);
}

TEST_P(MigrateTest, PrintChangesNothing) {
  const auto empty = TestDatabase::Create(GetParam());
  const std::string whole = End("migrate", {"--print"}, 0, *empty);
  EXPECT_THAT(whole, HasSubstr("from schema version 0 to 123"));
  EXPECT_THAT(whole, HasSubstr("workflow_status"));
  EXPECT_FALSE(std::filesystem::exists(empty->Open().sqlite_path));
  EXPECT_THAT(Tables(*empty), IsEmpty());
  EXPECT_THAT(End("migrate", {"--print"}, 0, *database_), HasSubstr("nothing to do"));
  SetVersion("121");
  const std::string rest = End("migrate", {"--print"}, 0, *database_);
  EXPECT_THAT(rest, HasSubstr("from schema version 121 to 123"));
  EXPECT_THAT(rest, Not(HasSubstr("CREATE TABLE")));
  EXPECT_EQ(End("migrate", {"--print", "--from", "121"}, 0, *database_), rest);
  EXPECT_EQ(End("migrate", {"--print", "--from", "0"}, 0, *database_), whole);
}

INSTANTIATE_OVER_DATABASES(MigrateTest);

class RoleTest : public MigrateTest {
 protected:
  void SetUp() override { database_->Run("CREATE ROLE " + role_ + " LOGIN"); }
  void TearDown() override { database_->Run("DROP OWNED BY " + role_ + "; DROP ROLE " + role_); }
  // What the role gets to hear.
  std::string AsRole(const std::string& command, const std::vector<std::string>& more, int code,
                     const TestDatabase& on) {
    const std::string url = absl::StrReplaceAll(on.url(), {{"://postgres@", "://" + role_ + "@"}});
    EXPECT_NE(url, on.url()) << "the role of DBOS_TEST_POSTGRES_URL";
    Program program(directory_, "role", Arguments(command, more, url));
    EXPECT_EQ(program.Wait(), code) << program.Output();
    return program.Output();
  }

  const std::string role_ = "app_" + database_->Query("SELECT CAST(txid_current() AS TEXT) || pg_backend_pid()")[0];
};

TEST_P(RoleTest, ARestrictedRoleIsToldWhoHasToMigrate) {
  const std::string fix = "run dbos-sidecar migrate --app-role " + role_;
  const auto empty = TestDatabase::Create(GetParam());
  for (const std::string command : {"serve", "migrate"}) {
    EXPECT_THAT(AsRole(command, {}, 3, *empty), HasSubstr("the role \"" + role_ + "\" may not bring"));
    EXPECT_THAT(AsRole(command, {}, 3, *empty), HasSubstr(fix));
  }
  EXPECT_THAT(AsRole("serve", {"--migrations", "verify"}, 3, *database_),
              HasSubstr("run dbos-sidecar migrate --app-role"));
  EXPECT_THAT(End("migrate", {"--app-role", role_}, 0, *database_), HasSubstr("the role \"" + role_ + "\" may run"));
  EXPECT_THAT(AsRole("migrate", {}, 0, *database_), HasSubstr("is at schema version 123"));
  SetVersion("122");
  EXPECT_THAT(AsRole("migrate", {}, 3, *database_), HasSubstr("may not bring the system database"));
  EXPECT_THAT(AsRole("migrate", {}, 3, *database_), HasSubstr(fix));
}

TEST_P(RoleTest, TheRoleGetsRowsAndNothingElse) {
  End("migrate", {"--app-role", role_}, 0, *database_);
  EXPECT_THAT(
      database_->Query("SELECT DISTINCT privilege_type FROM information_schema.table_privileges WHERE grantee = '" +
                       role_ + "' AND table_name <> 'dbos_migrations' ORDER BY 1"),
      ElementsAre("DELETE", "INSERT", "SELECT", "UPDATE"));
  EXPECT_THAT(database_->Query("SELECT privilege_type FROM information_schema.table_privileges WHERE grantee = '" +
                               role_ + "' AND table_name = 'dbos_migrations'"),
              ElementsAre("SELECT"));
  // A later migration's table.
  database_->Run("CREATE TABLE dbos.later (x INT)");
  EXPECT_THAT(database_->Query("SELECT has_table_privilege('" + role_ +
                               "', 'dbos.later', 'SELECT, INSERT'), "
                               "has_schema_privilege('" +
                               role_ + "', 'dbos', 'CREATE')"),
              ElementsAre("t,f"));
}

TEST_P(RoleTest, PrintedGrantsAreTheOnesThatAreRun) {
  const std::string script = End("migrate", {"--print", "--app-role", role_}, 0, *database_);
  EXPECT_THAT(script, HasSubstr("GRANT USAGE ON SCHEMA \"dbos\" TO \"" + role_ + "\";"));
  database_->Run(script);
  EXPECT_THAT(AsRole("migrate", {}, 0, *database_), HasSubstr("is at schema version 123"));
}

TEST_P(RoleTest, ARoleThatIsMissingOrMigratesIsRefused) {
  EXPECT_THAT(End("migrate", {"--app-role", "no\"body"}, 3, *database_), HasSubstr("CREATE ROLE \"no\"\"body\" LOGIN"));
  EXPECT_THAT(End("migrate", {"--app-role", "postgres"}, 2, *database_), HasSubstr("needs no grants"));
}

INSTANTIATE_TEST_SUITE_P(Postgres, RoleTest, testing::Values(DatabaseKind::kPostgres), DatabaseKindName);

TEST(SqliteRoleTest, SqliteHasNoRoles) {
  const TemporaryDirectory directory;
  Program program(directory, "end", {"migrate", "--name", "shop", "--app-role", "app"});
  EXPECT_EQ(program.Wait(), 2);
  EXPECT_THAT(program.Output(), HasSubstr("SQLite has no roles"));
}

TEST(SchemaChangeTest, AnApplicationKeepsItsSchema) {
  const TemporaryDirectory directory;
  const auto database = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  database->Run(
      "INSERT INTO dbos.application_versions (version_id, version_name, application_name) VALUES ('1', '1', 'shop')");
  for (const char* command : {"serve", "migrate"}) {
    Program program(directory, command, {command, "--name", "shop", "--database", database->url(), "--schema", "new"});
    EXPECT_EQ(program.Wait(), 3) << program.Output();
    EXPECT_THAT(program.Output(), HasSubstr("the application \"shop\" has run in schema \"dbos\""));
  }
  Program other(directory, "other", {"migrate", "--name", "other", "--database", database->url(), "--schema", "new"});
  EXPECT_EQ(other.Wait(), 0) << other.Output();
}

// Processes at once. Each waits its turn on PostgreSQL; of a file, which has one owner, it says who has it.
TEST(ProcessesTest, ProcessesMigrateOneAfterAnother) {
  const TemporaryDirectory directory;
  const auto database = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  database->Run(
      "UPDATE dbos.dbos_migrations SET version = 121; DROP INDEX dbos.idx_workflow_status_deadline; "
      "ALTER TABLE dbos.workflow_status DROP COLUMN creator_xid; "
      "INSERT INTO dbos.workflow_status (workflow_uuid) VALUES ('w')");
  const auto empty = TestDatabase::Create(DatabaseKind::kPostgres);
  const auto command = [](TestDatabase& on) {
    return std::vector<std::string>{"migrate", "--name", "shop", "--database", on.url()};
  };
  // It builds an index until the writer ends, and is killed.
  const auto writer = database->Open().connect(ConnectionRole::kMigration);
  ASSERT_TRUE(writer->RunScript("BEGIN; UPDATE dbos.workflow_status SET name = 'n'").ok());
  Program killed(directory, "killed", command(*database));
  const std::string waiting =
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
      "AND query LIKE 'CREATE INDEX CONCURRENTLY%'";
  while (database->Query(waiting).empty()) std::this_thread::yield();
  killed.Send(SIGKILL);
  killed.Wait();
  std::vector<std::unique_ptr<Program>> programs;
  for (const char* name : {"a", "b", "c"}) {
    programs.push_back(std::make_unique<Program>(directory, name, command(*database)));
    programs.push_back(std::make_unique<Program>(directory, std::string("empty-") + name, command(*empty)));
  }
  ASSERT_TRUE(writer->RunScript("COMMIT").ok());
  for (const auto& program : programs) {
    EXPECT_EQ(program->Wait(), 0) << program->Output();
    EXPECT_THAT(program->Output(), HasSubstr("is at schema version 123"));
  }
  for (TestDatabase* on : {database.get(), empty.get()}) {
    EXPECT_THAT(on->Query("SELECT version FROM dbos.dbos_migrations"), ElementsAre("123"));
    EXPECT_THAT(on->Query("SELECT indisvalid FROM pg_index WHERE indexrelid = "
                          "CAST('dbos.idx_workflow_status_deadline' AS regclass)"),
                ElementsAre("t"));
  }
}

}  // namespace
}  // namespace dbos::sidecar
