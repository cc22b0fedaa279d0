// FakeDatabase: a TransactionService of the test's own, over an in-process channel. It shows what was asked, and
// answers from a script or, where that has nothing, as a database that takes everything and returns no rows.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dbos/v1/transactions.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/server.h"

namespace dbos::testing {

class FakeDatabase final : private v1::TransactionService::Service {
 public:
  // No answer: the stream breaks.
  using Answer = std::optional<v1::TransactResponse>;
  using Script = std::function<Answer(const v1::TransactRequest&)>;
  using ExecuteScript = std::function<std::optional<v1::ExecuteResponse>(const v1::ExecuteRequest&)>;

  FakeDatabase();
  ~FakeDatabase() override;
  FakeDatabase(const FakeDatabase&) = delete;
  FakeDatabase& operator=(const FakeDatabase&) = delete;

  std::shared_ptr<grpc::Channel> channel();
  // The next requests are answered by these, in order; then as usual.
  void Then(Script script);
  void OnExecute(ExecuteScript script);
  std::vector<v1::TransactRequest> requests();
  std::vector<v1::ExecuteRequest> executed();
  int streams();
  // Blocks until so many streams have ended; fails the test after 10 s.
  void WaitForEnded(int streams);

  // As a sidecar that has recorded it would answer.
  static v1::TransactResponse Committed(const v1::TransactRequest& request);

 private:
  using Stream = grpc::ServerReaderWriter<v1::TransactResponse, v1::TransactRequest>;
  grpc::Status Transact(grpc::ServerContext* context, Stream* stream) override;
  grpc::Status Execute(grpc::ServerContext* context, const v1::ExecuteRequest* request,
                       v1::ExecuteResponse* response) override;
  Answer AnswerTo(const v1::TransactRequest& request);

  std::mutex mu_;
  std::condition_variable changed_;
  std::deque<Script> scripts_;
  ExecuteScript execute_;
  std::vector<v1::TransactRequest> requests_;
  std::vector<v1::ExecuteRequest> executed_;
  int streams_ = 0;
  int ended_ = 0;
  const std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

// Answers of a script.
v1::TransactResponse RowsOf(const std::vector<std::pair<std::string, std::string>>& columns,
                            const std::vector<std::vector<std::optional<std::string>>>& rows);
v1::TransactResponse SqlErrorOf(const std::string& sqlstate, const std::string& message);
v1::TransactResponse RestartOf(const std::string& sqlstate);
v1::TransactResponse RefusedFor(v1::Reason reason, v1::RetryClass retry, const std::string& message);

}  // namespace dbos::testing
