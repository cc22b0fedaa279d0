// CockroachDB as far as it can be had without one: PostgreSQL behind a proxy that passes it off as CockroachDB.
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"

#include "sidecar/db/migrator.h"
#include "sidecar/db/open.h"
#include "tests/sidecar/db/catalog.h"
#include "tests/testing/proxy/played_cockroach.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::PlayedCockroach;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CockroachTest : public ::testing::Test {
 protected:
  // The test's database through the proxy.
  Database Through(const PlayedCockroach& server, const std::string& schema = "dbos") const {
    return *OpenDatabase(server.Url(name_), schema);
  }

  std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(DatabaseKind::kPostgres);
  const std::string name_ = database_->Query("SELECT current_database()")[0];
};

TEST_F(CockroachTest, IsKnownByItsParameterWhateverTheUrlSays) {
  const PlayedCockroach server;
  for (const std::string& url : {server.Url(name_), "cockroachdb" + server.Url(name_).substr(10)}) {
    const auto dialect = OpenDatabase(url, "my")->connect(ConnectionRole::kReader)->ServerDialect();
    ASSERT_TRUE(dialect.ok()) << dialect.status();
    EXPECT_EQ(dialect->concurrently, "") << url;
    EXPECT_EQ(dialect->schema, "\"my\".");
  }
  const std::string alias = "cockroachdb" + database_->url().substr(10);
  const auto dialect = OpenDatabase(alias, "my")->connect(ConnectionRole::kReader)->ServerDialect();
  EXPECT_EQ(dialect->concurrently, "CONCURRENTLY") << "an alias says nothing of the server";
}

TEST_F(CockroachTest, SettingsAreThoseThatItKnows) {
  const PlayedCockroach server;
  for (const auto role : {ConnectionRole::kWriter, ConnectionRole::kReader, ConnectionRole::kMigration}) {
    const auto shown = Through(server).connect(role)->RunScript("SHOW default_transaction_isolation");
    ASSERT_TRUE(shown.ok()) << shown.status();
    EXPECT_EQ((*shown)[0].Text(0), role == ConnectionRole::kMigration ? "serializable" : "read committed");
  }
  EXPECT_EQ(server.profile().refusals(), 0);
}

TEST_F(CockroachTest, TransactionsThatMeetAnotherAreRunAgain) {
  const PlayedCockroach server({.abort_one_in = 2});
  database_->Run("CREATE TABLE t (n bigint)");
  const auto connection = Through(server).connect(ConnectionRole::kWriter);
  constexpr Query kInsert = {.name = "i", .args = "", .rows = "n bigint", .sql = "INSERT INTO t SELECT n FROM {rows}"};
  constexpr Query kCount = {.name = "c", .args = "", .rows = "", .sql = "SELECT COUNT(*) FROM t"};
  for (std::int64_t n = 0; n < 40; ++n) {
    Statement insert(kInsert);
    insert.AddRow({n});
    ASSERT_TRUE(connection->RunBatch(std::vector<Statement>{insert, insert}).ok());
    ASSERT_TRUE(connection->RunBatch(std::vector<Statement>{insert}).ok());
    ASSERT_TRUE(connection->RunScript("BEGIN; INSERT INTO t VALUES (1); COMMIT").ok());
    ASSERT_EQ((*connection->Execute(Statement(kCount)))[0].Int(0), 4 * (n + 1));
  }
  EXPECT_GT(server.profile().aborts(), 40);
}

TEST_F(CockroachTest, ButNotForEver) {
  const PlayedCockroach server({.abort_one_in = 1});
  database_->Run("CREATE TABLE t (n bigint)");
  const auto connection = Through(server).connect(ConnectionRole::kWriter);
  const auto done = connection->RunScript("INSERT INTO t VALUES (1)");
  EXPECT_TRUE(absl::IsAborted(done.status())) << done.status();
  EXPECT_EQ(server.profile().aborts(), 10);
  // What goes on with an open transaction is lost with it, and cannot be run again by itself.
  ASSERT_TRUE(connection->RunScript("BEGIN").ok());
  EXPECT_TRUE(absl::IsAborted(connection->RunScript("INSERT INTO t VALUES (1); COMMIT").status()));
  EXPECT_EQ(server.profile().aborts(), 11);
}

// The same code also says that a prepared statement is out of date, which is worth another try; this is not.
TEST_F(CockroachTest, WhatItCannotDoIsNoReasonToTryAgain) {
  const PlayedCockroach server;
  const auto connection = Through(server).connect(ConnectionRole::kWriter);
  constexpr Query kLock = {.name = "l", .args = "", .rows = "", .sql = "SELECT pg_try_advisory_lock(1)"};
  for (const auto& status :
       {connection->Execute(Statement(kLock)).status(), connection->RunScript("LISTEN x").status()}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("cannot do this: "));
  }
  EXPECT_EQ(server.profile().refusals(), 2);
}

class CockroachMigrationTest : public CockroachTest {
 protected:
  std::vector<std::string> Version() { return database_->Query("SELECT version FROM dbos.dbos_migrations"); }
};

TEST_F(CockroachMigrationTest, MakesWhatPostgresHasButForTheTrigger) {
  const PlayedCockroach server({.abort_one_in = 3, .seed = 7});
  const auto version = Migrate(Through(server));
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(*version, 123);
  EXPECT_EQ(server.profile().refusals(), 0);
  EXPECT_GT(server.profile().aborts(), 0);
  const auto postgres = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  // The trigger needs pg_notify, and a function cannot keep its caller's search_path out.
  std::vector<std::string> expected;
  for (const std::string& line : PostgresCatalog(*postgres)) {
    if (line.find("notifications_function") != std::string::npos) continue;
    expected.push_back(absl::StrReplaceAll(line, {{"search_path=pg_catalog, pg_temp", ""}}));
  }
  const std::vector<std::string> made = PostgresCatalog(*database_);
  EXPECT_EQ(made, expected);
}

TEST_F(CockroachMigrationTest, MigratorsTakeTurnsByARowOfOurOwn) {
  const PlayedCockroach server({.abort_one_in = 4});
  std::vector<absl::StatusOr<int>> outcomes(4);
  std::vector<std::thread> migrators;
  for (auto& outcome : outcomes) migrators.emplace_back([&] { outcome = Migrate(Through(server)); });
  for (std::thread& migrator : migrators) migrator.join();
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_THAT(Version(), ElementsAre("123"));
  EXPECT_THAT(database_->Query("SELECT COUNT(*) FROM dbos_sidecar.migration_lock"), ElementsAre("0"));
}

TEST_F(CockroachMigrationTest, AnotherMigratorIsWaitedForUntilItsTimeIsOver) {
  const PlayedCockroach server;
  database_->Run("CREATE SCHEMA dbos_sidecar");
  database_->Run("CREATE TABLE dbos_sidecar.migration_lock (id INT4 PRIMARY KEY, holder TEXT, expires_at BIGINT)");
  database_->Run(
      "INSERT INTO dbos_sidecar.migration_lock "
      "VALUES (1, 'it died', (EXTRACT(epoch FROM clock_timestamp()) + 1) * 1000)");
  const std::string over = "SELECT EXTRACT(epoch FROM clock_timestamp()) * 1000 > " +
                           database_->Query("SELECT expires_at FROM dbos_sidecar.migration_lock")[0];
  ASSERT_THAT(database_->Query(over), ElementsAre("f"));
  const auto version = Migrate(Through(server));
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_THAT(database_->Query(over), ElementsAre("t"));
  EXPECT_THAT(Version(), ElementsAre("123"));
}

}  // namespace
}  // namespace dbos::sidecar
