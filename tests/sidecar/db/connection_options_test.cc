// What a user says about connections, seen at the server and in the log.
#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "sidecar/base/status.h"
#include "sidecar/db/open.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Query kNameOf = {
    .name = "name_of",
    .args = "secret text, number bigint",
    .rows = "",
    .sql = "SELECT CAST($1 AS text),\n       CAST($2 AS bigint)",
};

std::string ReadOne(const Database& database, const std::string& sql) {
  const auto result = database.connect(ConnectionRole::kReader)->RunScript(sql);
  return result.ok() ? (*result)[0].Text(0) : Message(result.status());
}

class ConnectionOptionsTest : public testing::Test {
 protected:
  Database Open(const ConnectionOptions& options) const {
    auto database = OpenDatabase(database_->url(), "dbos", options);
    EXPECT_TRUE(database.ok()) << database.status();
    return *std::move(database);
  }

  const std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(DatabaseKind::kPostgres);
};

TEST_F(ConnectionOptionsTest, TheServerSeesOurNameUnlessAnotherIsGiven) {
  EXPECT_EQ(ReadOne(Open({}), "SHOW application_name"), "dbos_transact");
  ConnectionOptions options;
  options.connect_args = {{"application_name", "mine"}, {"options", "-c statement_timeout=12345"}};
  EXPECT_EQ(ReadOne(Open(options), "SHOW application_name"), "mine");
  const auto writer = Open(options).connect(ConnectionRole::kWriter);
  EXPECT_EQ((*writer->RunScript("SHOW statement_timeout"))[0].Text(0), "12345ms");
}

TEST_F(ConnectionOptionsTest, ThePasswordIsAskedForWithEachConnection) {
  int asked = 0;
  ConnectionOptions options;
  options.password = [&asked]() -> absl::StatusOr<std::string> {
    ++asked;
    return "sesame";
  };
  const Database database = Open(options);
  EXPECT_EQ(ReadOne(database, "SELECT 1"), "1");
  EXPECT_EQ(ReadOne(database, "SELECT 1"), "1");
  EXPECT_EQ(asked, 2);
}

TEST_F(ConnectionOptionsTest, WithoutAPasswordThereIsNoConnection) {
  ConnectionOptions options;
  options.password = []() -> absl::StatusOr<std::string> { return absl::UnavailableError("the vault is closed"); };
  const auto result = Open(options).connect(ConnectionRole::kReader)->RunScript("SELECT 1");
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_THAT(Message(result.status()), HasSubstr("the vault is closed"));
}

std::string EchoOf(const Database& database) {
  testing::internal::CaptureStderr();
  const auto connection = database.connect(ConnectionRole::kReader);
  EXPECT_TRUE(connection->Execute(Statement(kNameOf, {std::string_view("sesame"), std::int64_t{42}})).ok());
  const Statement two[] = {Statement(kNameOf, {Value(), std::int64_t{1}}),
                           Statement(kNameOf, {Value(), std::int64_t{2}})};
  EXPECT_TRUE(connection->RunBatch(two).ok());
  EXPECT_FALSE(connection->RunScript("SELECT nonsense").ok());
  return testing::internal::GetCapturedStderr();
}

TEST_F(ConnectionOptionsTest, EchoLogsEveryStatementWithItsTimeAndNoParameters) {
  ConnectionOptions options;
  options.echo = Echo::kStatements;
  const std::string log = EchoOf(Open(options));
  EXPECT_THAT(log, HasSubstr("SELECT CAST($1 AS text), CAST($2 AS bigint)"));
  EXPECT_THAT(log, testing::ContainsRegex("took[^ ]*[0-9.]+[mun]?s"));
  EXPECT_THAT(log, HasSubstr("one of 2 in a transaction"));
  EXPECT_THAT(log, HasSubstr("nonsense"));
  EXPECT_THAT(log, HasSubstr("SQLSTATE 42703"));
  EXPECT_THAT(log, Not(HasSubstr("sesame")));
}

TEST_F(ConnectionOptionsTest, EchoShowsParametersWhenAsked) {
  ConnectionOptions options;
  options.echo = Echo::kParameters;
  const std::string log = EchoOf(Open(options));
  EXPECT_THAT(log, HasSubstr("('sesame', 42)"));
  EXPECT_THAT(log, HasSubstr("(NULL, 2)"));
}

std::string EchoOfSession(const Database& database) {
  testing::internal::CaptureStderr();
  const auto session = database.open_session();
  const SqlValue value = {SqlValue::Type::kText, "sesame", {}};
  const auto good = ParseNamedSql("SELECT  CAST(:word AS text)", session->syntax());
  const auto bad = ParseNamedSql("SELECT nonsense", session->syntax());
  session->Begin({}, absl::InfiniteFuture(), 1000);
  EXPECT_TRUE(session->Run(*good, {&value}).ok());
  EXPECT_TRUE(session->Commit(nullptr).ok());
  session->Begin({}, absl::InfiniteFuture(), 1000);
  EXPECT_TRUE(session->RunAndCommit(*good, {&value}, nullptr).ok());
  session->Begin({}, absl::InfiniteFuture(), 1000);
  EXPECT_TRUE(session->Run(*bad, {}).ok());
  session->RollBack();
  return testing::internal::GetCapturedStderr();
}

TEST_F(ConnectionOptionsTest, EchoLogsUsersStatementsToo) {
  ConnectionOptions options;
  options.echo = Echo::kStatements;
  std::string log = EchoOfSession(Open(options));
  for (const char* part : {"SELECT CAST(:word AS text)", "COMMIT", "and COMMIT", "SQLSTATE 42703", "ROLLBACK"}) {
    EXPECT_THAT(log, HasSubstr(part));
  }
  EXPECT_THAT(log, testing::ContainsRegex("took[^ ]*[0-9.]+[mun]?s"));
  EXPECT_THAT(log, Not(HasSubstr("sesame")));
  options.echo = Echo::kParameters;
  EXPECT_THAT(EchoOfSession(Open(options)), HasSubstr("word='sesame'"));
}

TEST_F(ConnectionOptionsTest, NothingIsLoggedUnlessAsked) {
  EXPECT_THAT(EchoOf(Open({})), Not(HasSubstr("SELECT")));
  EXPECT_THAT(EchoOfSession(Open({})), Not(HasSubstr("SELECT")));
}

}  // namespace
}  // namespace dbos::sidecar
