#include "tests/testing/proxy/pg_proxy.h"

#include <cstdlib>
#include <filesystem>

#include <libpq-fe.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"

#include "tests/testing/proxy/control.h"

namespace dbos::testing {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

constexpr absl::Duration kPatience = absl::Seconds(20);

Connection Open(const std::string& url) {
  return {PQconnectdb(url.c_str()), &PQfinish};
}
Result Exec(const Connection& connection, const std::string& sql) {
  return {PQexec(connection.get(), sql.c_str()), &PQclear};
}

// A table of its own on the server of DBOS_TEST_POSTGRES_URL, and a proxy before that server.
class PgProxyTest : public ::testing::Test {
 protected:
  PgProxyTest() : direct_(Open(ServerUrl())) {}

  void SetUp() override {
    ASSERT_EQ(PQstatus(direct_.get()), CONNECTION_OK) << PQerrorMessage(direct_.get());
    auto proxy = PgProxy::Start({.upstream = Upstream(), .listen = absl::StrCat(directory_, "/.s.PGSQL.5432")});
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    table_ = absl::StrCat("proxy_test_", PQbackendPID(direct_.get()));
    ASSERT_EQ(PQresultStatus(Exec(direct_, "CREATE TABLE " + table_ + "(n int)").get()), PGRES_COMMAND_OK);
  }
  void TearDown() override {
    proxy_.reset();
    Exec(direct_, "DROP TABLE IF EXISTS " + table_);
    std::filesystem::remove_all(directory_);
  }

  static std::string ServerUrl() {
    const char* url = std::getenv("DBOS_TEST_POSTGRES_URL");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return url == nullptr ? "" : url;
  }
  std::string Upstream() const {
    const std::string host = PQhost(direct_.get());
    if (host.rfind('/', 0) == 0) return absl::StrCat(host, "/.s.PGSQL.", PQport(direct_.get()));
    return absl::StrCat(PQhostaddr(direct_.get()), ":", PQport(direct_.get()));
  }
  Connection Through() const { return Open(proxy_->Url(PQuser(direct_.get()), PQdb(direct_.get())) + Password()); }
  std::string Password() const {
    const char* password = PQpass(direct_.get());
    return password == nullptr || *password == '\0' ? "" : absl::StrCat("&password=", password);
  }
  std::string Insert(int n) const { return absl::StrCat("INSERT INTO ", table_, " VALUES (", n, ")"); }
  int Rows() const { return std::atoi(PQgetvalue(Exec(direct_, "SELECT count(*) FROM " + table_).get(), 0, 0)); }

  std::string directory_ = [] {
    std::string path = (std::filesystem::temp_directory_path() / "pg-proxy-XXXXXX").string();
    return std::string(mkdtemp(path.data()));
  }();
  Connection direct_;
  std::unique_ptr<PgProxy> proxy_;
  std::string table_;
};

TEST_F(PgProxyTest, ForwardsAndCountsRoundTrips) {
  const Connection connection = Through();
  ASSERT_EQ(PQstatus(connection.get()), CONNECTION_OK) << PQerrorMessage(connection.get());
  proxy_->ResetCounts();
  Exec(connection, "BEGIN");
  Exec(connection, Insert(1));
  Exec(connection, "COMMIT");
  const Counts counts = proxy_->counts();
  EXPECT_EQ(counts.syncs, 3);
  EXPECT_EQ(counts.ready_for_query, 3);
  EXPECT_EQ(counts.executes, 3);
  EXPECT_EQ(counts.commits, 1);
  EXPECT_EQ(Rows(), 1);
}

TEST_F(PgProxyTest, CarriesLargeValuesUnchanged) {
  const Connection connection = Through();
  const Result result = Exec(connection, "SELECT repeat('x', 20000000)");
  ASSERT_EQ(PQresultStatus(result.get()), PGRES_TUPLES_OK) << PQerrorMessage(connection.get());
  EXPECT_EQ(PQgetlength(result.get(), 0, 0), 20000000);
  const std::string literal(20000000, 'y');
  EXPECT_STREQ(PQgetvalue(Exec(connection, "SELECT length('" + literal + "')").get(), 0, 0), "20000000");
}

// What is left of a transaction of one row when `fault` meets its COMMIT: the rows, and whether the client heard.
TEST_F(PgProxyTest, DropBeforeLosesTheTransaction) {
  const Connection connection = Through();
  proxy_->Arm({.fault = Fault::kDropBefore});
  Exec(connection, "BEGIN");
  Exec(connection, Insert(1));
  Exec(connection, "COMMIT");
  EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
  EXPECT_TRUE(proxy_->WaitForFaults(1, kPatience));
  // The server has let go of the transaction once a lock on the table can be had.
  Exec(direct_, "BEGIN; LOCK TABLE " + table_ + "; COMMIT");
  EXPECT_EQ(Rows(), 0);
}

TEST_F(PgProxyTest, SwallowCommitsAndTheClientNeverHears) {
  const Connection connection = Through();
  proxy_->Arm({.fault = Fault::kSwallowAnswer});
  Exec(connection, "BEGIN");
  Exec(connection, Insert(1));
  Exec(connection, "COMMIT");
  EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
  EXPECT_EQ(Rows(), 1);
  EXPECT_EQ(proxy_->counts().commits, 1);
}

TEST_F(PgProxyTest, DropDuringReachesTheServer) {
  const Connection connection = Through();
  proxy_->Arm({.fault = Fault::kDropDuring});
  Exec(connection, "BEGIN");
  Exec(connection, Insert(1));
  Exec(connection, "COMMIT");
  EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
  EXPECT_TRUE(proxy_->WaitForFaults(1, kPatience));
  Exec(direct_, "BEGIN; LOCK TABLE " + table_ + "; COMMIT");
  // Sent whole, with nothing before it to answer, so this server commits it; the client cannot know.
  EXPECT_EQ(Rows(), 1);
}

TEST_F(PgProxyTest, StalledAnswerArrivesAfterResume) {
  const Connection connection = Through();
  proxy_->Arm({.fault = Fault::kStallAnswer});
  Exec(connection, "BEGIN");
  Exec(connection, Insert(1));
  ASSERT_EQ(PQsendQuery(connection.get(), "COMMIT"), 1);
  ASSERT_TRUE(proxy_->WaitForFaults(1, kPatience));
  EXPECT_EQ(Rows(), 1);
  PQconsumeInput(connection.get());
  EXPECT_EQ(PQisBusy(connection.get()), 1);
  proxy_->Resume();
  EXPECT_EQ(PQresultStatus(Result(PQgetResult(connection.get()), &PQclear).get()), PGRES_COMMAND_OK);
}

TEST_F(PgProxyTest, StalledCommitIsNotThereUntilResume) {
  const Connection connection = Through();
  proxy_->Arm({.fault = Fault::kStallBefore});
  Exec(connection, "BEGIN");
  Exec(connection, Insert(1));
  ASSERT_EQ(PQsendQuery(connection.get(), "COMMIT"), 1);
  ASSERT_TRUE(proxy_->WaitForFaults(1, kPatience));
  EXPECT_EQ(Rows(), 0);
  proxy_->Resume();
  EXPECT_EQ(PQresultStatus(Result(PQgetResult(connection.get()), &PQclear).get()), PGRES_COMMAND_OK);
  EXPECT_EQ(Rows(), 1);
}

// Sends BEGIN, one insert and a prepared COMMIT as one pipeline segment.
void SendTransaction(const Connection& connection, const std::string& insert) {
  PQsendQueryParams(connection.get(), "BEGIN", 0, nullptr, nullptr, nullptr, nullptr, 0);
  PQsendQueryParams(connection.get(), insert.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0);
  PQsendQueryPrepared(connection.get(), "finish", 0, nullptr, nullptr, nullptr, 0);
  PQpipelineSync(connection.get());
}

int SyncsAnswered(const Connection& connection) {
  int syncs = 0;
  for (int empty = 0; empty < 2 && PQstatus(connection.get()) == CONNECTION_OK;) {
    const Result result(PQgetResult(connection.get()), &PQclear);
    empty = result ? 0 : empty + 1;
    if (result && PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) ++syncs;
  }
  return syncs;
}

TEST_F(PgProxyTest, PicksTheRightCommitOfAPipeline) {
  const Connection connection = Through();
  PQclear(PQprepare(connection.get(), "finish", "COMMIT", 0, nullptr));
  ASSERT_EQ(PQenterPipelineMode(connection.get()), 1);
  proxy_->ResetCounts();
  proxy_->Arm({.fault = Fault::kSwallowAnswer, .mentions = "(2)"});
  for (int n = 1; n <= 3; ++n) SendTransaction(connection, Insert(n));
  EXPECT_EQ(SyncsAnswered(connection), 1) << "the first is answered, the second swallowed, the third never sent";
  EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
  EXPECT_EQ(Rows(), 2);
  EXPECT_EQ(proxy_->counts().syncs, 2);
}

TEST_F(PgProxyTest, PipelinedBatchIsOneRoundTrip) {
  const Connection connection = Through();
  PQclear(PQprepare(connection.get(), "finish", "COMMIT", 0, nullptr));
  ASSERT_EQ(PQenterPipelineMode(connection.get()), 1);
  proxy_->ResetCounts();
  SendTransaction(connection, Insert(1));
  EXPECT_EQ(SyncsAnswered(connection), 1);
  EXPECT_EQ(proxy_->counts().syncs, 1);
  EXPECT_EQ(proxy_->counts().executes, 3);
  EXPECT_EQ(proxy_->counts().commits, 1);
}

TEST_F(PgProxyTest, ImplicitTransactionsCountWhenAskedFor) {
  const Connection connection = Through();
  proxy_->Arm({.fault = Fault::kSwallowAnswer, .at = CommitPoint::kAny, .mentions = "INSERT", .skip = 1});
  Exec(connection, "SELECT 1");
  EXPECT_EQ(PQresultStatus(Exec(connection, Insert(1)).get()), PGRES_COMMAND_OK);
  Exec(connection, Insert(2));
  EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
  EXPECT_EQ(Rows(), 2);
}

TEST_F(PgProxyTest, DropAllAndRefuseCutTheServerOff) {
  const Connection connection = Through();
  proxy_->SetAccepting(Accepting::kNo);
  proxy_->DropAll();
  Exec(connection, "SELECT 1");
  EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
  EXPECT_EQ(PQstatus(Through().get()), CONNECTION_BAD);
  proxy_->SetAccepting(Accepting::kYes);
  EXPECT_EQ(PQstatus(Through().get()), CONNECTION_OK);
}

TEST_F(PgProxyTest, StallHoldsEveryConnection) {
  const Connection connection = Through();
  proxy_->Stall();
  ASSERT_EQ(PQsendQuery(connection.get(), Insert(1).c_str()), 1);
  EXPECT_EQ(Rows(), 0);
  proxy_->Resume();
  EXPECT_EQ(PQresultStatus(Result(PQgetResult(connection.get()), &PQclear).get()), PGRES_COMMAND_OK);
}

TEST_F(PgProxyTest, ListensOnTcpToo) {
  auto proxy = PgProxy::Start({.upstream = Upstream(), .listen = "127.0.0.1:0"});
  ASSERT_TRUE(proxy.ok()) << proxy.status();
  const Connection connection = Open((*proxy)->Url(PQuser(direct_.get()), PQdb(direct_.get())) + Password());
  EXPECT_EQ(PQstatus(connection.get()), CONNECTION_OK) << PQerrorMessage(connection.get());
}

TEST_F(PgProxyTest, CommandsDriveIt) {
  EXPECT_EQ(RunCommand(*proxy_, "arm swallow any skip=0 times=1 mentions=INSERT"), "ok");
  const Connection connection = Through();
  Exec(connection, Insert(1));
  EXPECT_EQ(RunCommand(*proxy_, "wait 1 20"), "ok");
  EXPECT_TRUE(absl::StrContains(RunCommand(*proxy_, "counts"), "\"faults\":1"));
  EXPECT_EQ(RunCommand(*proxy_, "arm explode"), "error: no such fault: explode");
  EXPECT_EQ(RunCommand(*proxy_, "sing"), "error: unknown command: sing");
}

}  // namespace
}  // namespace dbos::testing

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
