// GrpcTransport: the Session stream over gRPC, with one thread of our own, or one that waits for an answer anyway.
//
// That thread waits on a completion queue. gRPC's callback threads are at least two, and each event that one of them
// takes wakes another one to stand watch; a thread that waits alone spares that wake-up for each message.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "grpcpp/channel.h"
#include "grpcpp/completion_queue.h"

#include "mutex.h"
#include "transport.h"

namespace dbos::runtime {

class GrpcTransport final : public Transport {
 public:
  explicit GrpcTransport(std::shared_ptr<grpc::Channel> channel);
  GrpcTransport(const GrpcTransport&) = delete;
  GrpcTransport& operator=(const GrpcTransport&) = delete;
  // Not while a stream is open: OnClosed must have come.
  ~GrpcTransport() override;

  void Open(TransportEvents* events) override;
  void Write(std::string message) override;
  void Finish() override;
  void Cancel() override;
  void HandleOne(SteadyTime until) override;
  Turn* turn() override { return &turn_; }

 private:
  class Stream;
  std::shared_ptr<Stream> Current();
  void Run();
  void Deliver(void* tag, bool ok);

  const std::shared_ptr<grpc::Channel> channel_;
  grpc::CompletionQueue queue_;
  Mutex mu_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);
  // gRPC's queue orders what is made here before the events of it; ThreadSanitizer, which does not see that, sees this.
  std::atomic<int> streams_{0};
  Turn turn_;
  std::thread thread_;  // last: it uses the queue
};

}  // namespace dbos::runtime
