// SqlStreams: transactions over Transact streams of gRPC, the idle ones kept for later. For what has no session.
//
// One thread takes the events of all streams from gRPC and wakes who waits, see SqlEventThread. Measured: one caller is
// nearly as quick as one that polls for itself and a third quicker than with gRPC's callback threads; fifty are as
// quick as with those and a third quicker than callers that poll.
//
// Threads:  a stream belongs to one thread at a time, Cancel may come from any; SqlStreams from any.
// Blocking: Exchange and Execute until the answer or the deadline; the rest does not.
// Lifetime: streams are gone before their SqlStreams.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "dbos/v1/transactions.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_stream.h"

#include "mutex.h"
#include "sql_door.h"

namespace dbos::runtime {

// The events of gRPC that one thread waits for: the tag of what it starts.
class SqlEvents {
 public:
  // Before they are started.
  void Expect(int events);
  void Arrived(bool ok);
  // Waits for all of them. False: the time is over, and they are still to come.
  bool WaitUntil(SteadyTime deadline);
  // Waits for all of them; true when all were good.
  bool Wait();

 private:
  Mutex mu_;
  CondVar changed_;
  // Stored before gRPC gets the tag, loaded when it comes back: ThreadSanitizer does not see gRPC hand it over.
  std::atomic<bool> handed_over_ = false;
  int expected_ ABSL_GUARDED_BY(mu_) = 0;
  bool all_ok_ ABSL_GUARDED_BY(mu_) = true;
};

// The thread that takes the events from gRPC. It starts with the first, since a Client may never need it, and ends when
// none was expected for a second: one that waits in gRPC for nothing is woken by what all other channels of the process
// do, and they by it.
//
// Threads: any. Blocking: the destructor, until the last event.
class SqlEventThread {
 public:
  SqlEventThread() = default;
  SqlEventThread(const SqlEventThread&) = delete;
  SqlEventThread& operator=(const SqlEventThread&) = delete;
  ~SqlEventThread();

  grpc::CompletionQueue& queue() { return queue_; }
  // Before they are started.
  void Expect(SqlEvents& events, int count);

 private:
  void Run();

  grpc::CompletionQueue queue_;
  Mutex mu_;
  int expected_ ABSL_GUARDED_BY(mu_) = 0;
  bool runs_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mu_);
};

class GrpcSqlStream final : public SqlStream {
 public:
  GrpcSqlStream(v1::TransactionService::Stub& stub, SqlEventThread& thread);
  GrpcSqlStream(const GrpcSqlStream&) = delete;
  GrpcSqlStream& operator=(const GrpcSqlStream&) = delete;
  ~GrpcSqlStream() override;

  bool Exchange(const v1::TransactRequest& request, v1::TransactResponse& response, SteadyTime deadline) override;
  void Cancel() override { context_.TryCancel(); }
  bool used() const override { return used_; }
  bool sent() const override { return sent_; }
  v1::ErrorDetail TakeRefusal() override;

 private:
  bool Wait(SteadyTime deadline);

  SqlEventThread& thread_;
  grpc::ClientContext context_;
  SqlEvents events_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::TransactRequest, v1::TransactResponse>> stream_;
  bool started_ = false;
  bool finished_ = false;
  bool used_ = false;
  bool sent_ = false;
};

class SqlStreams final : public SqlDoor {
 public:
  explicit SqlStreams(const std::shared_ptr<grpc::Channel>& channel);
  SqlStreams(const SqlStreams&) = delete;
  SqlStreams& operator=(const SqlStreams&) = delete;
  ~SqlStreams() override;

  std::unique_ptr<SqlStream> Take() override;
  std::unique_ptr<SqlStream> New() override;
  void Give(std::unique_ptr<SqlStream> stream) override;
  void DropIdle() override;
  Executed Execute(const v1::ExecuteRequest& request, std::chrono::milliseconds timeout,
                   const std::stop_token& stop) override;

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::TransactionService::Stub> stub_;
  SqlEventThread thread_;
  Mutex mu_;
  std::vector<std::unique_ptr<SqlStream>> idle_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::runtime
