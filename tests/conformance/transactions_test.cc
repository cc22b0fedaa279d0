// Transactions through bare stubs: what no correct client sends is refused by name, nothing of its transaction stays,
// and the stream or the next one goes on. And an execution that lost its workflow cannot commit.
#include <cstdlib>

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "dbos/v1/transactions.grpc.pb.h"

#include "tests/conformance/conformance_fixture.h"

namespace dbos::sidecar {
namespace {

using v1::TransactRequest;
using v1::TransactResponse;

// One stream of transactions.
class Stream {
 public:
  explicit Stream(v1::TransactionService::Stub& stub) {
    call_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    stream_ = stub.Transact(&call_);
  }
  ~Stream() {
    if (ended_) return;
    call_.TryCancel();
    stream_->Finish();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  TransactResponse Ask(const TransactRequest& request) {
    TransactResponse response;
    EXPECT_TRUE(stream_->Write(request) && stream_->Read(&response)) << request.ShortDebugString().substr(0, 200);
    return response;
  }
  // The stream's own end, if the request ended it.
  grpc::Status End(const TransactRequest& request) {
    TransactResponse response;
    stream_->Write(request);
    while (stream_->Read(&response)) {
    }
    ended_ = true;
    return stream_->Finish();
  }

 private:
  grpc::ClientContext call_;
  std::unique_ptr<grpc::ClientReaderWriter<TransactRequest, TransactResponse>> stream_;
  bool ended_ = false;
};

TransactRequest Begin() {
  TransactRequest request;
  request.mutable_begin();
  return request;
}
TransactRequest Sql(const std::string& text, const std::vector<std::pair<std::string, std::int64_t>>& parameters = {}) {
  TransactRequest request;
  request.mutable_statement()->set_sql(text);
  for (const auto& [name, value] : parameters) {
    v1::SqlParameter* parameter = request.mutable_statement()->add_parameters();
    parameter->set_name(name);
    parameter->mutable_value()->set_integer(value);
  }
  return request;
}
TransactRequest Commit(const std::string& result = "") {
  TransactRequest request;
  request.mutable_commit();
  if (!result.empty()) request.mutable_commit()->mutable_result()->set_data(result);
  return request;
}
std::string ReasonIn(const TransactResponse& response) {
  return response.has_refused() ? v1::Reason_Name(response.refused().reason()) : response.ShortDebugString();
}

class TransactionsTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  TransactionsTest() {
    world_.SetEnvironment("DBOS_APPLICATION_DATABASE_URL", world_.database_url());
    world_.StartSidecar("", {"--name", "conformance", "--ping-timeout", "2"});
    channel_ = grpc::CreateCustomChannel(world_.address(), grpc::InsecureChannelCredentials(), Quick());
    EXPECT_TRUE(channel_->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20)))
        << world_.Logs();
    stub_ = v1::TransactionService::NewStub(channel_);
    Do("CREATE TABLE entries (id INTEGER PRIMARY KEY)");
  }

  void Do(const std::string& sql) {
    Stream stream(*stub_);
    stream.Ask(Begin());
    EXPECT_TRUE(stream.Ask(Sql(sql)).has_rows()) << sql;
    EXPECT_TRUE(stream.Ask(Commit()).has_ended());
  }
  std::string Count() {
    Stream stream(*stub_);
    stream.Ask(Begin());
    const TransactResponse response = stream.Ask(Sql("SELECT count(*) FROM entries"));
    return response.rows().rows_size() == 1 ? response.rows().rows(0).cells(0) : response.ShortDebugString();
  }

  // Within an open transaction that has written something, `bad` is refused with a text that holds `says`; nothing of
  // the transaction stays, and the stream takes the next.
  void ExpectRefused(const TransactRequest& bad, const std::string& reason, const std::string& says) {
    SCOPED_TRACE(bad.ShortDebugString().substr(0, 200));
    Stream stream(*stub_);
    ASSERT_TRUE(stream.Ask(Begin()).has_done());
    ASSERT_TRUE(stream.Ask(Sql("INSERT INTO entries VALUES (1)")).has_rows());
    const TransactResponse refused = stream.Ask(bad);
    EXPECT_EQ(ReasonIn(refused), reason);
    EXPECT_NE(refused.refused().message().find(says), std::string::npos) << refused.refused().message();
    EXPECT_EQ(ReasonIn(stream.Ask(Commit())), "REASON_INVALID_REQUEST") << "it is over";
    ASSERT_TRUE(stream.Ask(Begin()).has_done());
    const TransactResponse rows = stream.Ask(Sql("SELECT count(*) FROM entries"));
    ASSERT_EQ(rows.rows().rows_size(), 1) << rows.ShortDebugString();
    EXPECT_EQ(rows.rows().rows(0).cells(0), "0") << "something of it is there";
    EXPECT_TRUE(stream.Ask(Commit()).has_ended());
  }

  World world_{GetParam()};
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::TransactionService::Stub> stub_;
};

TEST_P(TransactionsTest, NothingOfASessionReachesTheNextTransaction) {
  for (int n = 0; n < 3; ++n) Do("CREATE TEMPORARY TABLE scratch (id INTEGER)");
  if (GetParam() == DatabaseKind::kSqlite) return;
  Do("SELECT set_config('dbos_test.tenant', 'a', false)");
  Stream stream(*stub_);
  stream.Ask(Begin());
  const TransactResponse tenant = stream.Ask(Sql("SELECT coalesce(current_setting('dbos_test.tenant', true), '')"));
  ASSERT_EQ(tenant.rows().rows_size(), 1) << tenant.ShortDebugString();
  EXPECT_EQ(tenant.rows().rows(0).cells(0), "");
}

// What a tenant is set with in each transaction does not cost a connection each time.
TEST_P(TransactionsTest, ASettingOfTheTransactionKeepsItsConnection) {
  if (GetParam() == DatabaseKind::kSqlite) return;  // it has no settings
  const auto session = [&](const std::string& sql) {
    Stream stream(*stub_);
    stream.Ask(Begin());
    stream.Ask(Sql(sql));
    const TransactResponse is = stream.Ask(
        Sql("SELECT coalesce(current_setting('dbos_test.tenant', true), ''), CAST(pg_backend_pid() AS text)"));
    EXPECT_EQ(is.rows().rows_size(), 1) << is.ShortDebugString();
    EXPECT_TRUE(stream.Ask(Commit()).has_ended());
    return std::pair(is.rows().rows(0).cells(0), is.rows().rows(0).cells(1));
  };
  const auto [tenant, first] = session("SELECT set_config('dbos_test.tenant', 'a', true)");
  EXPECT_EQ(tenant, "a");
  const auto [left, second] = session("SELECT 1");
  EXPECT_EQ(left, "") << "it ended with its transaction";
  EXPECT_EQ(second, first) << "another connection";
}

TEST_P(TransactionsTest, WithoutABeginNothingIsTaken) {
  Stream stream(*stub_);
  TransactRequest fetch;
  fetch.mutable_fetch()->set_page_rows(1);
  TransactRequest back;
  back.mutable_rollback();
  TransactRequest savepoint;
  savepoint.mutable_savepoint()->set_action(v1::Savepoint::ACTION_SET);
  for (const TransactRequest& request : {Commit(), back, fetch, savepoint, Sql("INSERT INTO entries VALUES (1)")}) {
    const TransactResponse refused = stream.Ask(request);
    EXPECT_EQ(ReasonIn(refused), "REASON_INVALID_REQUEST");
    EXPECT_NE(refused.refused().message().find("\"begin\""), std::string::npos) << refused.refused().message();
  }
  EXPECT_TRUE(stream.Ask(Begin()).has_done());
  EXPECT_EQ(Count(), "0");
}

TEST_P(TransactionsTest, ASecondBeginRollsTheFirstTransactionBack) {
  Stream stream(*stub_);
  stream.Ask(Begin());
  ASSERT_TRUE(stream.Ask(Sql("INSERT INTO entries VALUES (1)")).has_rows());
  EXPECT_TRUE(stream.Ask(Begin()).has_done());
  ASSERT_TRUE(stream.Ask(Sql("INSERT INTO entries VALUES (2)")).has_rows());
  EXPECT_EQ(stream.Ask(Commit()).ended().how(), v1::TransactionEnded::HOW_COMMITTED);
  EXPECT_EQ(Count(), "1");
}

TEST_P(TransactionsTest, RequestsThatCannotBeMeantAreRefused) {
  const std::string kInvalid = "REASON_INVALID_REQUEST";
  TransactRequest both = Commit();
  both.mutable_rollback();
  ExpectRefused(both, kInvalid, "one of statement, fetch, savepoint, commit and rollback");
  ExpectRefused(TransactRequest(), kInvalid, "begin");
  TransactRequest savepoint;
  savepoint.mutable_savepoint();
  ExpectRefused(savepoint, kInvalid, "savepoint.action");
  savepoint.mutable_savepoint()->set_action(v1::Savepoint::ACTION_RELEASE);
  ExpectRefused(savepoint, kInvalid, "savepoint");
  TransactRequest fetch;
  fetch.mutable_fetch()->set_page_rows(1);
  ExpectRefused(fetch, kInvalid, "page_rows");
  ExpectRefused(Sql(""), kInvalid, "statement.sql");
  ExpectRefused(Sql("SELECT '\xff'"), kInvalid, "UTF-8");
  ExpectRefused(Sql(std::string("SELECT 1\0", 9)), kInvalid, "NUL");
  ExpectRefused(Commit("{not json"), kInvalid, "commit.result");
  ExpectRefused(Commit("\"" + std::string(5 << 20, 'x') + "\""), "REASON_PAYLOAD_TOO_LARGE", "4194304");
  ExpectRefused(Sql("SELECT '" + std::string(2 << 20, 'x') + "'"), kInvalid, "statement.sql");
}

TransactRequest Defers(const TransactRequest& request, const std::vector<std::string>& deferred) {
  TransactRequest whole;
  for (const std::string& text : deferred) whole.mutable_deferred()->add_statements()->set_sql(text);
  *whole.mutable_deferred()->mutable_request() = request;
  return whole;
}

TEST_P(TransactionsTest, WhatIsDeferredRunsBeforeWhatItCameWith) {
  Stream stream(*stub_);
  TransactRequest first = Sql("SELECT count(*) FROM entries");
  first.mutable_begin();
  const TransactResponse rows = stream.Ask(Defers(first, {"INSERT INTO entries VALUES (1), (2)"}));
  ASSERT_EQ(rows.rows().rows_size(), 1) << rows.ShortDebugString();
  EXPECT_EQ(rows.rows().rows(0).cells(0), "2");
  const std::vector<std::string> insert = {"INSERT INTO entries VALUES (3)", "INSERT INTO entries VALUES (4)"};
  EXPECT_EQ(stream.Ask(Defers(Commit(), insert)).ended().how(), v1::TransactionEnded::HOW_COMMITTED);
  EXPECT_EQ(Count(), "4");
  TransactRequest all = Commit();
  all.mutable_begin();
  EXPECT_EQ(stream.Ask(Defers(all, {"INSERT INTO entries VALUES (5)"})).ended().how(),
            v1::TransactionEnded::HOW_COMMITTED)
      << "a whole transaction in one request";
  EXPECT_EQ(Count(), "5");
}

TEST_P(TransactionsTest, TheDeferredStatementThatFailsIsTheAnswerAndNothingIsCommitted) {
  Stream stream(*stub_);
  const std::vector<std::string> twice = {"INSERT INTO entries VALUES (1)", "INSERT INTO entries VALUES (1)"};
  for (const TransactRequest& with : {Sql("INSERT INTO entries VALUES (2)"), Commit()}) {
    stream.Ask(Begin());
    const TransactResponse failed = stream.Ask(Defers(with, twice));
    EXPECT_EQ(failed.sql_error().sqlstate(), "23505") << failed.ShortDebugString();
    EXPECT_EQ(failed.sql_error().deferred(), 2U);
  }
  EXPECT_EQ(ReasonIn(stream.Ask(Commit())), "REASON_INVALID_REQUEST") << "a commit that failed is the end";
  EXPECT_EQ(Count(), "0");
}

TEST_P(TransactionsTest, DeferredStatementsThatCannotBeMeantAreRefused) {
  const std::string kInvalid = "REASON_INVALID_REQUEST";
  TransactRequest back;
  back.mutable_rollback();
  for (const TransactRequest& without : {TransactRequest(), Begin(), back}) {
    ExpectRefused(Defers(without, {"SELECT 1"}), kInvalid, "deferred.request");
  }
  ExpectRefused(Defers(Defers(Commit(), {"SELECT 1"}), {"SELECT 1"}), kInvalid, "deferred.request");
  TransactRequest beside = Defers(Commit(), {"SELECT 1"});
  beside.mutable_commit();
  ExpectRefused(beside, kInvalid, "deferred.request");
  TransactRequest pages = Defers(Commit(), {"SELECT 1"});
  pages.mutable_deferred()->mutable_statements(0)->set_page_rows(1);
  ExpectRefused(pages, kInvalid, "page_rows");
  ExpectRefused(Defers(Commit(), {}), kInvalid, "deferred.statements");
  ExpectRefused(Defers(Commit(), std::vector<std::string>(101, "SELECT 1")), kInvalid, "deferred");
  ExpectRefused(Defers(Commit(), {"SELECT 1", ""}), kInvalid, "deferred: statement.sql");
  ExpectRefused(Defers(Commit(), {"SELECT 1", "COMMIT"}), kInvalid, "transaction");
  ExpectRefused(Defers(Sql("SELECT 1"), {"SELECT :missing"}), kInvalid, "missing");
}

TEST_P(TransactionsTest, StatementsThatAreNotOneStatementWithItsParametersAreRefused) {
  const std::string kInvalid = "REASON_INVALID_REQUEST";
  for (const std::string control : {"COMMIT", "ROLLBACK", "BEGIN", "SAVEPOINT s", "/* x */ commit", "END", "ABORT"}) {
    ExpectRefused(Sql(control), kInvalid, "transaction");
  }
  ExpectRefused(Sql("SELECT 1; COMMIT"), kInvalid, "statement");
  ExpectRefused(Sql("INSERT INTO entries VALUES (2); DELETE FROM entries"), kInvalid, "statement");
  ExpectRefused(Sql("SELECT :missing"), kInvalid, "missing");
  ExpectRefused(Sql("SELECT :used", {{"used", 1}, {"unused", 2}}), kInvalid, "unused");
  ExpectRefused(Sql("SELECT ':quoted'", {{"quoted", 1}}), kInvalid, "quoted");
  ExpectRefused(Sql("SELECT :twice", {{"twice", 1}, {"twice", 2}}), kInvalid, "twice");
}

TEST_P(TransactionsTest, AfterAFailedStatementNothingIsTakenAndNothingIsCommitted) {
  Stream stream(*stub_);
  stream.Ask(Begin());
  ASSERT_TRUE(stream.Ask(Sql("INSERT INTO entries VALUES (1)")).has_rows());
  EXPECT_EQ(stream.Ask(Sql("INSERT INTO entries VALUES (1)")).sql_error().sqlstate(), "23505");
  EXPECT_EQ(stream.Ask(Sql("INSERT INTO entries VALUES (2)")).sql_error().sqlstate(), "25P02");
  EXPECT_EQ(stream.Ask(Commit()).sql_error().sqlstate(), "25P02");
  EXPECT_EQ(Count(), "0");
}

TEST_P(TransactionsTest, AMessageThatIsTooLargeEndsItsStreamAndItsTransaction) {
  {
    Stream stream(*stub_);
    stream.Ask(Begin());
    ASSERT_TRUE(stream.Ask(Sql("INSERT INTO entries VALUES (1)")).has_rows());
    const grpc::Status status = stream.End(Sql(std::string(9 << 20, ' ')));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  }
  EXPECT_EQ(Count(), "0");
}

TEST_P(TransactionsTest, AStreamThatIsGivenUpLeavesNothing) {
  for (const bool half_close : {false, true}) {
    grpc::ClientContext call;
    auto stream = stub_->Transact(&call);
    TransactRequest first = Sql("INSERT INTO entries VALUES (1)");
    first.mutable_begin();
    TransactResponse response;
    ASSERT_TRUE(stream->Write(first) && stream->Read(&response));
    if (half_close) {
      stream->WritesDone();
    } else {
      call.TryCancel();
    }
    EXPECT_EQ(stream->Finish().ok(), half_close);
    EXPECT_EQ(Count(), "0");
    const absl::Time before = absl::Now();
    Do("INSERT INTO entries VALUES (1)");  // its locks are gone, long before its idle limit of 5 s
    EXPECT_LT(absl::Now() - before, absl::Seconds(3));
    Do("DELETE FROM entries");
  }
}

// The door's process dies, and its workflow is given to another, while its transaction is open.
TEST_P(TransactionsTest, AnExecutionThatLostItsWorkflowCannotCommit) {
  auto first = OpenDoor(DoorKind::kSession, channel_);
  ASSERT_TRUE(first->Attach({}).ok());
  v1::StartWorkflowResponse started;
  ASSERT_TRUE(first->Start(StartOf("w"), &started).ok());
  const auto execution = first->Next();
  ASSERT_TRUE(execution.has_value());
  TransactRequest begin = Begin();
  *begin.mutable_begin()->mutable_step()->mutable_execution() = execution->execution();
  begin.mutable_begin()->mutable_step()->set_name("pay");
  begin.mutable_begin()->set_idle_timeout_ms(60'000);
  Stream stream(*stub_);
  ASSERT_TRUE(stream.Ask(begin).has_done());
  const bool writes_first = GetParam() != DatabaseKind::kSqlite;  // its lock would keep the workflow from moving
  ASSERT_TRUE(!writes_first || stream.Ask(Sql("INSERT INTO entries VALUES (1)")).has_rows());
  auto second = OpenDoor(DoorKind::kSession, channel_);
  ASSERT_TRUE(second->Attach({}).ok());
  first->Detach();
  ASSERT_TRUE(second->Next().has_value()) << world_.Logs();
  ASSERT_TRUE(writes_first || stream.Ask(Sql("INSERT INTO entries VALUES (1)")).has_rows());
  const TransactResponse commit = stream.Ask(Commit("1"));
  // PostgreSQL reads the workflow's row as it was, sees that it has changed since, and only then says whose it is.
  EXPECT_EQ(writes_first ? commit.restart().sqlstate() : ReasonIn(commit), writes_first ? "40001" : "REASON_FENCED");
  EXPECT_EQ(Count(), "0");
  EXPECT_EQ(ReasonIn(stream.Ask(begin)), "REASON_FENCED") << "nor begin another";
}

INSTANTIATE_TEST_SUITE_P(Databases, TransactionsTest, ::testing::ValuesIn(TestDatabaseKinds()),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
