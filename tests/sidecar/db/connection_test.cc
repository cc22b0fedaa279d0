#include "sidecar/db/connection.h"

#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"

#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;

constexpr Query kInsert = {
    .name = "test_insert",
    .args = "tag text",
    .rows = "id text, number bigint, small int4, flag boolean",
    .sql =
        "INSERT INTO {schema}thing (id, number, small, flag, tag)"
        " SELECT i.id, i.number, i.small, i.flag, $1 FROM {rows} WHERE TRUE RETURNING id",
};

constexpr Query kAll = {
    .name = "test_all",
    .args = "",
    .rows = "",
    .sql = "SELECT id, number, small, flag, tag FROM {schema}thing ORDER BY id",
};

class ConnectionTest : public testing::TestWithParam<DatabaseKind> {
 protected:
  ConnectionTest() {
    database_->Run((GetParam() == DatabaseKind::kPostgres ? "CREATE SCHEMA dbos;" : "") +
                   ("CREATE TABLE " + database_->Table("thing")) +
                   " (id TEXT PRIMARY KEY, number BIGINT, small INT4, flag BOOLEAN, tag TEXT)");
    connection_ = database_->Open().connect(ConnectionRole::kWriter);
  }

  static Statement Insert(std::string_view id) {
    Statement statement(kInsert, {std::string_view("t")});
    statement.AddRow({id, std::int64_t{1}, std::int64_t{2}, true});
    return statement;
  }
  // Of as many rows as make a batch large.
  static std::vector<Statement> InsertMany(std::string_view first = "r0") {
    static const std::string kIds = "r0r1r2r3r4r5r6r7";
    Statement statement = Insert(first);
    for (std::size_t n = 1; n < 8; ++n)
      statement.AddRow({std::string_view(kIds).substr(2 * n, 2), kNullValue, kNullValue, kNullValue});
    return {statement, Statement(kAll)};
  }
  std::vector<std::string> Ids() {
    return database_->Query("SELECT id FROM " + database_->Table("thing") + " ORDER BY id");
  }

  std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(GetParam());
  std::unique_ptr<Connection> connection_;
};

TEST_P(ConnectionTest, ValuesOfAllTypesAndNullsComeBackAsTheyWent) {
  const std::string text("gr\xC3\xBC\xC3\x9F 'quoted' \"x\" {rows} $1");
  Statement statement(kInsert, {kNullValue});
  statement.AddRow({std::string_view(text), std::int64_t{-9'223'372'036'854'775'807}, std::int64_t{-1}, false});
  statement.AddRow({std::string_view("z"), kNullValue, kNullValue, kNullValue});
  ASSERT_TRUE(connection_->Execute(statement).ok());
  const auto rows = connection_->Execute(Statement(kAll));
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 2);
  EXPECT_EQ((*rows)[0].Text(0), text);
  EXPECT_EQ((*rows)[0].Int(1), -9'223'372'036'854'775'807);
  EXPECT_EQ((*rows)[0].Int(2), -1);
  EXPECT_FALSE((*rows)[0].Bool(3));
  for (std::size_t column = 1; column < 5; ++column) EXPECT_TRUE((*rows)[1].IsNull(column));
}

TEST_P(ConnectionTest, BatchReturnsTheRowsOfEachStatement) {
  const std::vector<Statement> batch = {Insert("a"), Statement(kAll), Insert("b")};
  const auto results = connection_->RunBatch(batch);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 3);
  EXPECT_EQ((*results)[0][0].Text(0), "a");
  EXPECT_EQ((*results)[1].size(), 1);
  EXPECT_EQ((*results)[2][0].Text(0), "b");
}

// Around the sizes of SQLite's lists.
TEST_P(ConnectionTest, AnyNumberOfRowsGoesInOnce) {
  std::vector<std::string> all;
  for (const std::size_t count : {1U, 3U, 4U, 5U, 16U, 21U, 63U, 64U, 85U, 150U}) {
    std::vector<std::string> ids;
    for (std::size_t n = 0; n < count; ++n) ids.push_back(absl::StrFormat("%03d-%03d", count, n));
    Statement statement(kInsert, {std::string_view("t")});
    for (const std::string& id : ids) statement.AddRow({std::string_view(id), std::int64_t{1}, std::int64_t{2}, true});
    const auto inserted = connection_->Execute(statement);
    ASSERT_TRUE(inserted.ok()) << inserted.status();
    EXPECT_EQ(inserted->size(), count);
    all.insert(all.end(), ids.begin(), ids.end());
  }
  EXPECT_EQ(Ids(), all);
}

TEST_P(ConnectionTest, StatementOverNoRowsDoesNothing) {
  const auto result = connection_->Execute(Statement(kInsert, {std::string_view("t")}));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), 0);
  EXPECT_THAT(Ids(), ElementsAre());
}

TEST_P(ConnectionTest, WhatWasSentIsRunOnce) {
  for (const char* id : {"a", "b"}) {  // before there is a connection, and with one
    const std::vector<Statement> batch = {Insert(id), Statement(kAll)};
    connection_->SendBatch(batch);
    const auto results = connection_->RunBatch(batch);
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->size(), 2);
    EXPECT_EQ((*results)[0][0].Text(0), id);
  }
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
}

TEST_P(ConnectionTest, ErrorOfWhatWasSentComesWithTheResults) {
  ASSERT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("a")}).ok());
  const std::vector<Statement> twice = {Insert("b"), Insert("a")};
  connection_->SendBatch(twice);
  EXPECT_TRUE(absl::IsAlreadyExists(connection_->RunBatch(twice).status()));
  EXPECT_THAT(Ids(), ElementsAre("a"));
  EXPECT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("b")}).ok());
}

TEST_P(ConnectionTest, WhatIsToBeDoneMeanwhileIsDoneOnce) {
  for (const char* id : {"a", "b"}) {  // before there is a connection, and with one
    int times = 0;
    ASSERT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert(id)}, {.at_first = [&] { ++times; }}).ok());
    EXPECT_EQ(times, 1);
  }
}

TEST_P(ConnectionTest, FailedBatchWritesNothingAndTheConnectionGoesOn) {
  for (int times = 0; times < 2; ++times) {
    const std::vector<Statement> batch = {Insert("a"), Insert("a")};
    EXPECT_TRUE(absl::IsAlreadyExists(connection_->RunBatch(batch).status()));
    EXPECT_THAT(Ids(), ElementsAre());
  }
  EXPECT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("a")}).ok());
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_P(ConnectionTest, FailedScriptLeavesNoTransactionOpen) {
  EXPECT_FALSE(connection_->RunScript("BEGIN; SELECT nonsense").ok());
  EXPECT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("a")}).ok());
}

TEST_P(ConnectionTest, ResultsLargerThanTheSocketsBufferDoNotBlockTheBatch) {
  const std::string big(1'000'000, 'x');
  std::vector<Statement> batch;
  batch.push_back(Insert("first"));
  for (int n = 0; n < 8; ++n) {
    Statement statement(kInsert, {std::string_view(big)});
    const std::string_view id = std::string_view(big).substr(0, static_cast<std::size_t>(n + 1));
    statement.AddRow({id, kNullValue, kNullValue, kNullValue});
    batch.push_back(statement);
    batch.emplace_back(kAll);
  }
  const auto results = connection_->RunBatch(batch);
  EXPECT_TRUE(results.ok()) << results.status();
}

TEST_P(ConnectionTest, ABatchThatIsSentBeforeTheOneBeforeItIsCommittedRunsOnceAfterIt) {
  const std::vector<Statement> first = InsertMany();
  const std::vector<Statement> second = {Insert("second"), Statement(kAll)};
  const auto send = [&] { connection_->SendBatch(second); };
  ASSERT_TRUE(connection_->RunBatch(first, {.at_commit = send}).ok());
  const auto results = connection_->RunBatch(second);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)[1].size(), 9);
  EXPECT_EQ(Ids().size(), 9);
}

TEST_P(ConnectionTest, OtherCallsMayComeBetweenABatchAndTheOneThatIsSentBehindIt) {
  const std::vector<Statement> first = InsertMany();
  const std::vector<Statement> second = {Insert("second"), Statement(kAll)};
  const std::vector<Statement> other = {Insert("other"), Statement(kAll)};
  const auto send = [&] { connection_->SendBatch(second); };
  ASSERT_TRUE(connection_->RunBatch(first, {.at_commit = send}).ok());
  ASSERT_TRUE(connection_->Execute(Statement(kAll)).ok());
  ASSERT_TRUE(connection_->RunBatch(other).ok());
  ASSERT_TRUE(connection_->RunScript("SELECT 1").ok());
  const auto results = connection_->RunBatch(second);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)[0][0].Text(0), "second");
  EXPECT_EQ(Ids().size(), 10);
}

TEST_P(ConnectionTest, ABatchThatFailsBehindAnotherFailsAlone) {
  const std::vector<Statement> first = InsertMany();
  const std::vector<Statement> second = {Insert("second"), Insert("r0")};
  const auto send = [&] { connection_->SendBatch(second); };
  ASSERT_TRUE(connection_->RunBatch(first, {.at_commit = send}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(connection_->RunBatch(second).status()));
  ASSERT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("third"), Statement(kAll)}).ok());
  EXPECT_EQ(Ids().size(), 9);
}

TEST_P(ConnectionTest, NothingIsSentBehindABatchThatFails) {
  ASSERT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("r0")}).ok());
  int times = 0;
  EXPECT_TRUE(absl::IsAlreadyExists(connection_->RunBatch(InsertMany(), {.at_commit = [&] { ++times; }}).status()));
  EXPECT_EQ(times, 0);
}

INSTANTIATE_OVER_DATABASES(ConnectionTest);

class PostgresConnectionTest : public ConnectionTest {};

TEST_P(PostgresConnectionTest, OnlyALargeBatchShowsItsResultsBeforeItsCommit) {
  int times = 0;
  const Meanwhile meanwhile = {.at_commit = [&] { ++times; }};
  ASSERT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("small"), Statement(kAll)}, meanwhile).ok());
  EXPECT_EQ(times, 0);
  ASSERT_TRUE(connection_->RunBatch(InsertMany(), meanwhile).ok());
  EXPECT_EQ(times, 1);
}

TEST_P(PostgresConnectionTest, ABatchBehindAnotherIsSentAgainWhenTheConnectionWasLost) {
  const std::vector<Statement> first = InsertMany();
  const std::vector<Statement> second = {Insert("second"), Statement(kAll)};
  const auto lose = [&] {
    database_->Run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()");
    connection_->SendBatch(second);
  };
  const absl::Status status = connection_->RunBatch(first, {.at_commit = lose}).status();
  EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;  // its commit may have come before
  auto results = connection_->RunBatch(second);
  if (status.ok() && !results.ok()) results = connection_->RunBatch(second);  // nobody knew of the loss before
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ((*results)[0][0].Text(0), "second");
}

TEST_P(PostgresConnectionTest, BrokenConnectionIsReportedOnceAndReplaced) {
  ASSERT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("a")}).ok());
  database_->Run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
      "AND pid <> pg_backend_pid()");
  EXPECT_TRUE(absl::IsUnavailable(connection_->RunBatch(std::vector<Statement>{Insert("b")}).status()));
  EXPECT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert("b")}).ok());
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
}

// As pgbouncer in transaction mode does it: the next transaction meets another session.
TEST_P(PostgresConnectionTest, ASessionThatForgetsItsStatementsIsUsedWithoutThem) {
  ASSERT_TRUE(connection_->Execute(Statement(kAll)).ok());
  EXPECT_NE((*connection_->RunScript("SELECT count(*) FROM pg_prepared_statements"))[0].Int(0), 0);
  ASSERT_TRUE(connection_->RunScript("DEALLOCATE ALL").ok());
  EXPECT_TRUE(absl::IsAborted(connection_->Execute(Statement(kAll)).status()));
  for (int n = 0; n < 3; ++n) {
    ASSERT_TRUE(connection_->RunBatch(std::vector<Statement>{Insert(std::to_string(n)), Statement(kAll)}).ok());
    EXPECT_EQ((*connection_->RunScript("SELECT count(*) FROM pg_prepared_statements"))[0].Int(0), 0);
  }
  EXPECT_THAT(Ids(), ElementsAre("0", "1", "2"));
}

TEST_P(PostgresConnectionTest, CommitsAreDurableThroughAPoolerToo) {
  constexpr Query kShown = {
      .name = "shown", .args = "", .rows = "", .sql = "SELECT current_setting('synchronous_commit')"};
  database_->Run("ALTER ROLE CURRENT_USER IN DATABASE " + database_->Query("SELECT current_database()")[0] +
                 " SET synchronous_commit = off");
  ConnectionOptions options;
  options.through_pooler = true;
  const auto writer = OpenDatabase(database_->url(), "dbos", options)->connect(ConnectionRole::kWriter);
  for (const std::vector<Statement>& batch :
       {std::vector<Statement>{Statement(kShown)}, std::vector<Statement>{Insert("a"), Statement(kShown)}}) {
    const auto results = writer->RunBatch(batch);
    ASSERT_TRUE(results.ok()) << results.status();
    ASSERT_EQ(results->size(), batch.size());
    EXPECT_EQ(results->back()[0].Text(0), "on");
  }
}

TEST_P(PostgresConnectionTest, CommitsAreDurableWhateverTheRoleSays) {
  database_->Run("ALTER ROLE CURRENT_USER IN DATABASE " + database_->Query("SELECT current_database()")[0] +
                 " SET synchronous_commit = off");
  const auto writer = database_->Open().connect(ConnectionRole::kWriter);
  const auto setting = writer->RunScript("SHOW synchronous_commit");
  ASSERT_TRUE(setting.ok()) << setting.status();
  EXPECT_EQ((*setting)[0].Text(0), "on");
}

TEST_P(PostgresConnectionTest, ReadOnlyServerIsUnavailable) {
  ASSERT_TRUE(connection_->RunScript("SET default_transaction_read_only = on").ok());
  EXPECT_TRUE(absl::IsUnavailable(connection_->RunBatch(std::vector<Statement>{Insert("a")}).status()));
}

INSTANTIATE_TEST_SUITE_P(OnlyPostgres, PostgresConnectionTest, testing::Values(DatabaseKind::kPostgres),
                         DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
