// SqlStream: one Transact stream, a request and its answer at a time. SqlStreams: the idle ones, kept for later.
//
// The thread that asks waits on the stream's own completion queue: nobody has to wake it.
//
// Threads:  a stream belongs to one thread at a time, Cancel may come from any; SqlStreams from any.
// Blocking: Exchange and Execute until the answer or the deadline; the rest does not.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dbos/v1/transactions.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_stream.h"

#include "mutex.h"

namespace dbos::runtime {

using SystemTime = std::chrono::system_clock::time_point;

class SqlStream {
 public:
  explicit SqlStream(v1::TransactionService::Stub& stub);
  SqlStream(const SqlStream&) = delete;
  SqlStream& operator=(const SqlStream&) = delete;
  // What it has open is rolled back by the sidecar.
  ~SqlStream();

  // False: there was no answer and there will be none; the stream is over.
  bool Exchange(const v1::TransactRequest& request, v1::TransactResponse& response, SystemTime deadline);
  void Cancel() { context_.TryCancel(); }
  // Whether it has answered before: then the other end may have gone away since.
  bool used() const { return used_; }

 private:
  // Waits for so many events. False: one of them failed, or the time is over.
  bool Wait(int events, SystemTime deadline);

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::TransactRequest, v1::TransactResponse>> stream_;
  bool started_ = false;
  bool used_ = false;
};

class SqlStreams {
 public:
  explicit SqlStreams(const std::shared_ptr<grpc::Channel>& channel);

  // An idle one, or a new one.
  std::unique_ptr<SqlStream> Take();
  std::unique_ptr<SqlStream> New();
  // Of a stream that has no transaction open.
  void Give(std::unique_ptr<SqlStream> stream);
  // They lead to a sidecar that is gone.
  void DropIdle();

  // What became of one statement. Neither: no answer.
  struct Executed {
    std::optional<v1::ExecuteResponse> response = std::nullopt;
    std::optional<v1::ErrorDetail> refusal = std::nullopt;
    std::string why_lost = {};
  };
  // One statement that is a whole transaction. The one place that decides on the way there.
  Executed Execute(const v1::ExecuteRequest& request, SystemTime deadline, const std::stop_token& stop);

 private:
  const std::unique_ptr<v1::TransactionService::Stub> stub_;
  Mutex mu_;
  std::vector<std::unique_ptr<SqlStream>> idle_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::runtime
