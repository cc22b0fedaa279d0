#include "tests/clients/fake_database.h"

#include <atomic>
#include <chrono>
#include <utility>

#include <unistd.h>

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

#include "clients/cpp/src/sql_wire.h"

namespace dbos::testing {

using Lock = std::unique_lock<std::mutex>;

namespace {

// Nobody else's; it is gone with the server.
std::string NextAddress() {
  static std::atomic<int> count = 0;
  return "unix-abstract:dbos-fake-database-" + std::to_string(getpid()) + "-" + std::to_string(++count);
}

}  // namespace

FakeDatabase::FakeDatabase()
    : address_(NextAddress()),
      server_(grpc::ServerBuilder()
                  .AddListeningPort(address_, grpc::InsecureServerCredentials())
                  .RegisterService(this)
                  .BuildAndStart()) {
}

FakeDatabase::~FakeDatabase() {
  server_->Shutdown(std::chrono::system_clock::now());
}

std::shared_ptr<grpc::Channel> FakeDatabase::channel() {
  return grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
}

void FakeDatabase::Then(Script script) {
  const Lock lock(mu_);
  scripts_.push_back(std::move(script));
}

void FakeDatabase::OnExecute(ExecuteScript script) {
  const Lock lock(mu_);
  execute_ = std::move(script);
}

std::vector<v1::TransactRequest> FakeDatabase::requests() {
  const Lock lock(mu_);
  return requests_;
}

std::vector<v1::ExecuteRequest> FakeDatabase::executed() {
  const Lock lock(mu_);
  return executed_;
}

int FakeDatabase::streams() {
  const Lock lock(mu_);
  return streams_;
}

void FakeDatabase::WaitForEnded(int streams) {
  Lock lock(mu_);
  ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return ended_ >= streams; }));
}

v1::TransactResponse FakeDatabase::Committed(const v1::TransactRequest& request) {
  v1::TransactResponse response;
  v1::TransactionEnded& ended = *response.mutable_ended();
  const v1::TransactRequest& asked = runtime::AskedBy(request);
  ended.set_how(asked.has_commit() ? v1::TransactionEnded::HOW_COMMITTED : v1::TransactionEnded::HOW_ROLLED_BACK);
  if (asked.has_commit()) *ended.mutable_outcome()->mutable_value() = asked.commit().result();
  if (asked.rollback().has_failure()) *ended.mutable_outcome()->mutable_error() = asked.rollback().failure();
  return response;
}

FakeDatabase::Answer FakeDatabase::AnswerTo(const v1::TransactRequest& request) {
  Script script;
  {
    const Lock lock(mu_);
    requests_.push_back(request);
    if (!scripts_.empty()) {
      script = std::move(scripts_.front());
      scripts_.pop_front();
    }
  }
  if (script) return script(request);
  const v1::TransactRequest& asked = runtime::AskedBy(request);
  if (asked.has_commit() || asked.has_rollback()) return Committed(request);
  v1::TransactResponse response;
  if (asked.has_statement() || asked.has_fetch()) {
    response.mutable_rows();
  } else {
    response.mutable_done();
  }
  return response;
}

grpc::Status FakeDatabase::Transact(grpc::ServerContext* /*context*/, Stream* stream) {
  {
    const Lock lock(mu_);
    ++streams_;
  }
  v1::TransactRequest request;
  grpc::Status status = grpc::Status::OK;
  while (status.ok() && stream->Read(&request)) {
    const Answer answer = AnswerTo(request);
    if (!answer) status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken by the test");
    if (answer) stream->Write(*answer);
  }
  const Lock lock(mu_);
  ++ended_;
  changed_.notify_all();
  return status;
}

grpc::Status FakeDatabase::Execute(grpc::ServerContext* /*context*/, const v1::ExecuteRequest* request,
                                   v1::ExecuteResponse* response) {
  const Lock lock(mu_);
  executed_.push_back(*request);
  const auto answer = execute_ ? execute_(*request) : std::nullopt;
  if (!answer) return {grpc::StatusCode::UNAVAILABLE, "broken by the test"};
  *response = *answer;
  return grpc::Status::OK;
}

v1::TransactResponse RowsOf(const std::vector<std::pair<std::string, std::string>>& columns,
                            const std::vector<std::vector<std::optional<std::string>>>& rows) {
  v1::TransactResponse response;
  v1::SqlRows& to = *response.mutable_rows();
  for (const auto& [name, type] : columns) {
    v1::SqlColumn& column = *to.add_columns();
    column.set_name(name);
    column.set_type(type);
  }
  for (const auto& row : rows) {
    v1::SqlRow& wire = *to.add_rows();
    for (std::size_t column = 0; column < row.size(); ++column) {
      wire.add_cells(row[column].value_or(""));
      if (!row[column]) wire.add_nulls(static_cast<std::uint32_t>(column));
    }
  }
  to.set_affected(static_cast<std::int64_t>(rows.size()));
  return response;
}

v1::TransactResponse SqlErrorOf(const std::string& sqlstate, const std::string& message) {
  v1::TransactResponse response;
  response.mutable_sql_error()->set_sqlstate(sqlstate);
  response.mutable_sql_error()->set_message(message);
  return response;
}

v1::TransactResponse RestartOf(const std::string& sqlstate) {
  v1::TransactResponse response;
  response.mutable_restart()->set_sqlstate(sqlstate);
  response.mutable_restart()->set_message("could not serialize access");
  return response;
}

v1::TransactResponse RefusedFor(v1::Reason reason, v1::RetryClass retry, const std::string& message) {
  v1::TransactResponse response;
  response.mutable_refused()->set_reason(reason);
  response.mutable_refused()->set_retry(retry);
  response.mutable_refused()->set_message(message);
  return response;
}

}  // namespace dbos::testing
