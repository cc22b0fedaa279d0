// `dbos-sidecar migrate --app` and migrations at start, as a user meets them: messages, exit codes, killed processes.
#include <algorithm>
#include <csignal>
#include <filesystem>

#include "gmock/gmock.h"

#include "tests/sidecar/server/program.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Arguments = std::vector<std::string>;

class AppMigrateTest : public testing::Test {
 protected:
  AppMigrateTest() { std::filesystem::create_directory(directory_ / "db"); }

  // What the program printed.
  std::string End(Arguments arguments, int code) {
    arguments.insert(arguments.begin() + 1, {"--name", "shop"});
    Program program(directory_, "end", arguments);
    EXPECT_EQ(program.Wait(), code) << program.Output();
    return program.Output();
  }

  const TemporaryDirectory directory_;
};

TEST_F(AppMigrateTest, RunsFilesShowsThemAndSaysWhatWouldRun) {
  directory_.Write("db/0001_orders.sql", "CREATE TABLE orders (id INTEGER);");
  directory_.Write("db/README.md", "not a migration");
  directory_.Write("db/.0002_hidden.sql", "not one either");
  EXPECT_THAT(End({"migrate", "--app", "db", "--dry-run"}, 0), HasSubstr("pending       0001_orders.sql  -"));
  EXPECT_THAT(End({"migrate", "--app", "db", "--status"}, 0), HasSubstr(": 0 applied now, 0 in all, 1 to do"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "shop.sqlite"));
  const std::string ran = End({"migrate", "--app", "db"}, 0);
  EXPECT_THAT(ran, HasSubstr("migration applied"));
  EXPECT_THAT(ran, HasSubstr("applied       0001_orders.sql  20"));
  EXPECT_THAT(ran, HasSubstr("sqlite:///shop.sqlite: 1 applied now, 1 in all, 0 to do"));
  EXPECT_THAT(End({"migrate", "--app", "db"}, 0), HasSubstr(": 0 applied now, 1 in all, 0 to do"));
  std::filesystem::remove(directory_ / "db/0001_orders.sql");
  EXPECT_THAT(End({"migrate", "--app", "db"}, 0), HasSubstr("the files of 1 of them are gone"));
}

TEST_F(AppMigrateTest, SpeaksJson) {
  directory_.Write("db/0001_orders.sql", "CREATE TABLE orders (id INTEGER);");
  const std::string ran = End({"migrate", "--app", "db", "--json", "--log-level", "error"}, 0);
  EXPECT_THAT(ran,
              HasSubstr("{\n  \"database\": \"sqlite:///shop.sqlite\",\n  \"migrations\": [\n    {\n      \"name\": "
                        "\"0001_orders.sql\",\n      \"state\": \"applied\",\n      \"applied_now\": true,\n"));
  directory_.Write("db/0001_orders.sql", "CREATE TABLE orders (id TEXT);");
  EXPECT_THAT(End({"migrate", "--app", "db", "--json", "--status"}, 0),
              HasSubstr("\"problem\": \"was applied with the SHA-256"));
}

TEST_F(AppMigrateTest, ErrorsEndWithACodeAndTheFix) {
  EXPECT_THAT(End({"migrate", "--app", "missing"}, 2),
              HasSubstr("cannot read the directory of migrations missing (No such file or directory)"));
  EXPECT_THAT(End({"migrate", "--dry-run"}, 2), HasSubstr("--dry-run requires --app"));
  directory_.Write("db/orders.sql", "");
  EXPECT_THAT(End({"migrate", "--app", "db"}, 2),
              HasSubstr("db/orders.sql: a migration is called NUMBER_description.sql"));
  std::filesystem::remove(directory_ / "db/orders.sql");
  std::filesystem::create_symlink("nowhere", directory_ / "db/0001_orders.sql");
  EXPECT_THAT(End({"migrate", "--app", "db"}, 2), HasSubstr("cannot read db/0001_orders.sql"));
  std::filesystem::remove(directory_ / "db/0001_orders.sql");
  directory_.Write("db/0001_orders.sql", "CREATE TABLE orders (id INTEGER);\nCREATE TABLE orders (id INTEGER);");
  EXPECT_THAT(End({"migrate", "--app", "db"}, 3),
              HasSubstr("dbos-sidecar: db/0001_orders.sql: line 2: SQLite: table orders "));
  EXPECT_THAT(End({"migrate", "--app", "db", "--database", "sqlite:///other.sqlite"}, 2),
              HasSubstr("there is no application database: set application_database_url"));
  EXPECT_THAT(End({"migrate", "--app", "db", "--app-database", "mysql://x"}, 2), HasSubstr("postgresql://"));
}

TEST_F(AppMigrateTest, DirectoriesAreOneSequence) {
  std::filesystem::create_directory(directory_ / "more");
  directory_.Write("db/1_a.sql", "CREATE TABLE a (x INTEGER);");
  directory_.Write("more/2_b.sql", "INSERT INTO a VALUES (2);");
  directory_.Write("db/3_c.sql", "DELETE FROM a;");
  EXPECT_THAT(End({"migrate", "--app", "db", "--app", "more"}, 0), HasSubstr("3 applied now, 3 in all"));
  directory_.Write("more/003_d.sql", "");
  EXPECT_THAT(End({"migrate", "--app", "db", "--app", "more"}, 2),
              HasSubstr("two migrations have the number 3: db/3_c.sql and more/003_d.sql"));
}

TEST_F(AppMigrateTest, FlagsDecideAboutWhatStandsInTheWay) {
  directory_.Write("db/2_b.sql", "-- dbos: no-transaction\nCREATE TABLE b (x INTEGER);\nNONSENSE;");
  EXPECT_THAT(End({"migrate", "--app", "db"}, 3), HasSubstr("use --rerun 2_b.sql"));
  directory_.Write("db/1_a.sql", "");
  directory_.Write("db/2_b.sql", "-- dbos: no-transaction\nCREATE TABLE c (x INTEGER);");
  EXPECT_THAT(End({"migrate", "--app", "db", "--rerun", "2_b.sql"}, 3), HasSubstr("--allow-out-of-order"));
  EXPECT_THAT(End({"migrate", "--app", "db", "--rerun", "2_b.sql", "--allow-out-of-order"}, 0),
              HasSubstr("2 applied now"));
  directory_.Write("db/3_c.sql", "NONSENSE");
  EXPECT_THAT(End({"migrate", "--app", "db", "--mark-applied", "3_c.sql"}, 0), HasSubstr("0 applied now, 3 in all"));
}

TEST_F(AppMigrateTest, ConfiguredOnesRunBeforeTheSidecarListens) {
  directory_.Write("db/0001_orders.sql", "CREATE TABLE orders (id INTEGER);");
  directory_.Write("dbos-config.yaml", "name: shop\nsidecar:\n  application_migrations: [db]\n");
  {
    Program sidecar(directory_, "serve", {"serve"});
    ASSERT_TRUE(sidecar.Prints("sidecar is ready")) << sidecar.Output();
    const std::string output = sidecar.Output();
    EXPECT_LT(output.find("application database is up to date"), output.find("sidecar is ready")) << output;
  }
  directory_.Write("db/0002_items.sql", "\nCREATE TABLE items (id INTEGER REFERENCES;");
  Program sidecar(directory_, "serve", {"serve"});
  EXPECT_EQ(sidecar.Wait(), 3);
  EXPECT_THAT(sidecar.Output(), HasSubstr("db/0002_items.sql: line 2: "));
  EXPECT_THAT(sidecar.Output(), Not(HasSubstr("sidecar is ready")));
}

class AppMigrateKillTest : public testing::TestWithParam<DatabaseKind> {
 protected:
  AppMigrateKillTest() { std::filesystem::create_directory(directory_ / "db"); }

  Arguments Migrate() const { return {"migrate", "--name", "shop", "--app", "db", "--app-database", database_->url()}; }
  bool postgres() const { return GetParam() == DatabaseKind::kPostgres; }
  std::vector<std::string> Ledger() {
    return database_->Query("SELECT COUNT(*) FROM " + database_->Open().dialect.application_ledger);
  }
  void WriteInserts(int count) {
    for (int n = 1; n <= count; ++n) {
      const std::string number = std::to_string(n);
      directory_.Write("db/" + number + "_a.sql", "INSERT INTO a VALUES (" + number + ");");
    }
  }
  // Whether another transaction has held the only write lock for a while.
  bool IsLocked() {
    const auto connection = database_->Open().connect(ConnectionRole::kMigration);
    const auto begun = connection->RunScript("PRAGMA busy_timeout = 300; BEGIN IMMEDIATE");
    return absl::IsAborted(begun.status());
  }

  const std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(GetParam());
  const TemporaryDirectory directory_;
};

TEST_P(AppMigrateKillTest, OneKilledBetweenFilesIsResumed) {
  database_->Run("CREATE TABLE a (x INTEGER)");
  WriteInserts(200);
  for (const char* round : {"first", "second", "third"}) {
    Program killed(directory_, "killed", Migrate());
    ASSERT_TRUE(killed.Prints("migration applied")) << round << ": " << killed.Output();
  }  // SIGKILL, wherever it is by now: a few files further
  Program last(directory_, "last", Migrate());
  EXPECT_EQ(last.Wait(), 0) << last.Output();
  EXPECT_THAT(database_->Query("SELECT COUNT(*), COUNT(DISTINCT x) FROM a"), ElementsAre("200,200"));
  EXPECT_THAT(Ledger(), ElementsAre("200"));
}

TEST_P(AppMigrateKillTest, OneKilledInTheMiddleOfAFileLeavesNothingOfIt) {
  database_->Run("CREATE TABLE a (x INTEGER); CREATE TABLE until (n BIGINT); INSERT INTO until VALUES (1000000000000)");
  const std::string waits = postgres()
                                ? "SELECT pg_advisory_xact_lock(42);"
                                : "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < (SELECT n "
                                  "FROM until)) SELECT COUNT(*) FROM c;";
  directory_.Write("db/1_a.sql", "INSERT INTO a VALUES (1);\n" + waits + "\nINSERT INTO a VALUES (2);");
  if (postgres()) database_->Run("SELECT pg_advisory_lock(42)");
  const auto in_the_middle = [this] {
    return postgres()
               ? !database_->Query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted")
                      .empty()
               : IsLocked();
  };
  {
    Program killed(directory_, "killed", Migrate());
    while (!in_the_middle()) ASSERT_FALSE(killed.Ended()) << killed.Output();
  }  // SIGKILL
  Program next(directory_, "next", Migrate());
  if (postgres()) {
    // The dead migrator's session is still in the middle, and the next one waits for it at the row of the file.
    while (database_->Query("SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted").empty()) {
      ASSERT_FALSE(next.Ended()) << next.Output();
    }
    EXPECT_THAT(database_->Query("SELECT x FROM a"), IsEmpty());
    database_->Run("SELECT pg_advisory_unlock(42)");
  } else {
    next.Send(SIGKILL);
    next.Wait();
    database_->Run("UPDATE until SET n = 1");
  }
  Program last(directory_, "last", Migrate());
  EXPECT_EQ(last.Wait(), 0) << last.Output();
  EXPECT_EQ(next.Wait(), postgres() ? 0 : 128 + SIGKILL) << next.Output();
  EXPECT_THAT(database_->Query("SELECT x FROM a ORDER BY x"), ElementsAre("1", "2"));
}

TEST_P(AppMigrateKillTest, TwoAtOnceRunEachFileOnce) {
  database_->Run("CREATE TABLE a (x INTEGER)");
  WriteInserts(25);
  Program first(directory_, "first", Migrate());
  Program second(directory_, "second", Migrate());
  EXPECT_EQ(first.Wait(), 0) << first.Output();
  EXPECT_EQ(second.Wait(), 0) << second.Output();
  EXPECT_THAT(database_->Query("SELECT COUNT(*), COUNT(DISTINCT x) FROM a"), ElementsAre("25,25"));
}

INSTANTIATE_OVER_DATABASES(AppMigrateKillTest);

// Alembic keeps its own list in the same database. Neither sees the other's.
class AlembicTest : public testing::Test {
 protected:
  AlembicTest() {
    std::filesystem::copy(DBOS_ALEMBIC_PROJECT, directory_ / "alembic", std::filesystem::copy_options::recursive);
    std::filesystem::create_directory(directory_ / "db");
    directory_.Write("db/1_orders.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY);");
  }

  void Alembic(const std::string& command) {
    std::string url = database_->url();
    url.replace(0, url.find("://"), "postgresql+psycopg2");
    const std::string line = "cd '" + directory_.path() + "' && DBOS_TEST_ALEMBIC_URL='" + url +
                             "' PYTHONDONTWRITEBYTECODE=1 alembic -c alembic/alembic.ini " + command +
                             " >alembic.log 2>&1";
    EXPECT_EQ(std::system(line.c_str()), 0) << directory_.Read("alembic.log");  // NOLINT(concurrency-mt-unsafe)
  }
  void Ours() {
    Program program(directory_, "ours",
                    {"migrate", "--name", "shop", "--app", "db", "--app-database", database_->url()});
    EXPECT_EQ(program.Wait(), 0) << program.Output();
  }
  void ExpectBoth(const std::string& revision, const std::string& applied) {
    EXPECT_THAT(database_->Query("SELECT version_num FROM alembic_version"), ElementsAre(revision));
    EXPECT_THAT(database_->Query("SELECT COUNT(*) FROM dbos_sidecar.application_migrations"), ElementsAre(applied));
  }

  const std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(DatabaseKind::kPostgres);
  const TemporaryDirectory directory_;
};

TEST_F(AlembicTest, AlembicFirst) {
  Alembic("upgrade a1");
  Ours();
  ExpectBoth("a1", "1");
  Alembic("upgrade head");
  directory_.Write("db/2_customers.sql", "ALTER TABLE orders ADD customer INTEGER REFERENCES customers;");
  Ours();
  ExpectBoth("a2", "2");
  EXPECT_THAT(database_->Query("SELECT email FROM customers LEFT JOIN orders ON customer = customers.id"), IsEmpty());
}

TEST_F(AlembicTest, OursFirst) {
  Ours();
  Alembic("upgrade head");
  Ours();
  ExpectBoth("a2", "1");
  Alembic("downgrade base");
  Ours();
  EXPECT_THAT(database_->Query("SELECT * FROM alembic_version"), IsEmpty());
  EXPECT_THAT(database_->Query("SELECT id FROM orders"), IsEmpty());
}

}  // namespace
}  // namespace dbos::sidecar
