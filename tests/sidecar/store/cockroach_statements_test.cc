// Collects every statement that CockroachDB would be sent, as they go over the wire to a server that passes for it,
// into the file that deploy/ci/cockroach_parser.sh gives to CockroachDB's own parser.
#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "migrations/embedded_migrations.h"
#include "sidecar/db/grants.h"
#include "sidecar/db/migrator.h"
#include "sidecar/store/all_queries.h"
#include "sidecar/store/transaction_store.h"
#include "tests/sidecar/store/store_fixture.h"
#include "tests/testing/proxy/cockroach_sql.h"
#include "tests/testing/proxy/played_cockroach.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::PlayedCockroach;

// Over one row and over several: they are different texts.
void RunEveryQuery(Connection& connection) {
  for (const Query* query : AllQueries()) {
    for (const int rows : {1, 2}) {
      Statement statement(*query, AnyValues(query->args));
      const std::vector<Value> row = AnyValues(query->rows);
      for (int n = 0; n < rows && !row.empty(); ++n) statement.AddRow(row);
      const auto result = connection.RunBatch(std::vector<Statement>{statement, statement});
      EXPECT_TRUE(result.ok() || IsRefusedData(result.status())) << query->name << ": " << result.status();
    }
  }
}

constexpr Query kRecord = {
    .name = "test_record", .args = "id bigint", .rows = "", .sql = "SELECT $1, CAST({result} AS text)"};

// All that a session says by itself.
void RunTransactions(SqlSession& session) {
  const auto rows =
      ParseNamedSql("SELECT n, CAST('pg_class' AS regclass) FROM (VALUES (:n)) AS v(n)", session.syntax());
  const SqlValue value = {SqlValue::Type::kInteger, "1", {}};
  const auto good = [](const auto& answer) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    if (const auto* failure = std::get_if<SqlFailure>(&*answer)) ADD_FAILURE() << failure->message;
  };
  for (const auto isolation : {Isolation::kSerializable, Isolation::kRepeatableRead, Isolation::kReadCommitted}) {
    session.Begin({.isolation = isolation, .read_only = true, .deferrable = true}, absl::InfiniteFuture(), 1 << 20);
    // Once, more than are kept prepared.
    for (int n = 0; n < (isolation == Isolation::kSerializable ? 260 : 2); ++n) {
      good(session.Run(*ParseNamedSql(absl::StrCat("SELECT ", n), session.syntax()), {}));
    }
    for (const auto action : {SavepointAction::kSet, SavepointAction::kRollBack, SavepointAction::kSet}) {
      good(session.Savepoint(action));
    }
    good(session.Savepoint(SavepointAction::kRelease));
    for (int time = 0; time < 2; ++time) good(session.OpenCursor(*rows, {&value}, 1));
    good(session.Fetch(5));
    session.RollBack();
    session.Begin({.isolation = isolation}, absl::InfiniteFuture(), 1 << 20);
    const Statement record(kRecord, {std::int64_t{1}});
    good(session.RunAndCommit(*rows, {&value}, &record));
  }
}

// The steps from version 99 on, which a fresh database does not need.
std::vector<std::string> SharedMigrations() {
  std::vector<std::string> texts;
  const auto steps = PlanMigrations(CockroachDialect("dbos"), 99);
  if (!steps.ok()) ADD_FAILURE() << steps.status();
  for (const MigrationStep& step : *steps)
    texts.push_back(absl::StrCat(step.online, "BEGIN;\n", step.transaction, "COMMIT"));
  return texts;
}

// What transactions add of our own to the users' statements. They run in sessions of the application database.
std::vector<std::string> TransactionStatements() {
  const Dialect dialect = CockroachDialect("dbos");
  std::vector<std::string> texts = TransactionGrantStatements(dialect, "app");
  texts.push_back(dialect.database_identity);
  texts.push_back(dialect.transaction_outputs_schema);
  for (const Query* query : TransactionQueries()) {
    texts.push_back(absl::StrReplaceAll(ExpandQuery(dialect, *query, dialect.rows), {{"{result}", "'{}'"}}));
  }
  return texts;
}

TEST(CockroachStatementsTest, AllAreCollectedAndNoneUsesWhatItLacks) {
  const PlayedCockroach server;
  const auto postgres = TestDatabase::Create(DatabaseKind::kPostgres);
  const std::string name = postgres->Query("SELECT current_database()")[0] + "_new";
  const Database database = *OpenDatabase(server.Url(name), "dbos");
  for (int time = 0; time < 2; ++time) {
    const auto version = Migrate(database);
    ASSERT_TRUE(version.ok()) << version.status();
  }
  for (const auto role : {ConnectionRole::kWriter, ConnectionRole::kReader}) RunEveryQuery(*database.connect(role));
  RunTransactions(*database.open_session());
  ConnectionOptions pooler;
  pooler.through_pooler = true;
  RunTransactions(*OpenDatabase(server.Url(name), "dbos", pooler)->open_session());
  const std::vector<std::string> sent = server.profile().statements();
  EXPECT_EQ(server.profile().refusals(), 0);
  postgres->Run("DROP DATABASE " + name + " WITH (FORCE)");

  std::set<std::string> all(sent.begin(), sent.end());
  for (const std::string& text : SharedMigrations()) all.insert(text);
  for (const std::string& text : GrantStatements(CockroachDialect("dbos"), "app")) all.insert(text);
  for (const std::string& text : TransactionStatements()) all.insert(text);
  for (const std::string& text : all) EXPECT_FALSE(dbos::testing::LackOf(text).has_value()) << text;
  // Begin, commit, settings, the lock, the ledger, the database itself and the schema are among them.
  for (const char* part : {"BEGIN",
                           "COMMIT",
                           "SET lock_timeout",
                           "SET statement_timeout",
                           "autocommit_before_ddl",
                           "migration_lock AS l",
                           "CREATE DATABASE",
                           "CREATE SCHEMA",
                           "gin (attributes)",
                           "SKIP LOCKED",
                           "unnest(CAST($1 AS text[]))",
                           "enqueue_workflow(",
                           "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                           "DEALLOCATE",
                           "DECLARE dbos_cursor",
                           "FETCH FORWARD 1",
                           "CLOSE dbos_cursor",
                           "ROLLBACK TO SAVEPOINT",
                           "RELEASE SAVEPOINT",
                           "SET intervalstyle",
                           "set_config('DateStyle'",
                           "FROM pg_catalog.pg_type"}) {
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](auto& text) { return text.find(part) != text.npos; })) << part;
  }
  for (const char* part : {", DEFERRABLE", "dbos_rows"}) {
    EXPECT_TRUE(std::none_of(all.begin(), all.end(), [&](auto& text) { return text.find(part) != text.npos; })) << part;
  }
  EXPECT_GT(all.size(), AllQueries().size() * 3 / 2);
  std::ofstream file(DBOS_COCKROACH_STATEMENTS, std::ios::binary);
  for (const std::string& text : all) file << text << '\0';
  file.close();
  EXPECT_TRUE(file.good()) << DBOS_COCKROACH_STATEMENTS;
}

}  // namespace
}  // namespace dbos::sidecar
