// Subscription: the raw-stub door's stream of executions. Everything else of a session's talk goes by unary calls.
//
// Threads, lifetime, limits: as SessionStream.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/support/server_callback.h>

#include "dbos/v1/steps.pb.h"

#include "sidecar/rpc/context.h"
#include "sidecar/rpc/outbox.h"

namespace dbos::sidecar {

class Subscription final : public grpc::ServerWriteReactor<v1::Execution>,
                           public SessionSink,
                           public std::enable_shared_from_this<Subscription> {
 public:
  static Subscription* Open(RpcContext& context, grpc::CallbackServerContext* call,
                            const v1::SubscribeRequest* request);

  Subscription(RpcContext& context, grpc::CallbackServerContext* call);

  // gRPC.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

  // SessionSink. Further replay is the client's to get, and a lost execution shows at its next call.
  void Dispatched(Dispatch dispatch) override;
  void Fatal(Error error) override;
  std::size_t WaitingBytes() override { return outbox_.waiting_bytes(); }
  void Flush() override;
  void Acknowledged(std::uint64_t) override {}
  void Refused(std::uint64_t, Error) override {}
  void Started(std::uint64_t, StartResult) override {}
  void Awaited(std::uint64_t, AwaitResult) override {}
  void Welcome(std::vector<Reattached>) override {}
  void Replayed(ReplayPage) override {}
  void Cancelled(ExecutionRef, std::string) override {}
  void Evicted(ExecutionRef, Error) override {}
  void Ping(std::uint64_t) override {}
  void Pong(std::uint64_t) override {}
  void Drain(std::int64_t) override {}

 private:
  void Attach(v1::SubscribeRequest request);
  void StreamEnded();

  RpcContext& context_;
  grpc::CallbackServerContext* const call_;
  const SessionId id_ = NextSessionId();
  std::shared_ptr<Subscription> self_;
  std::atomic<bool> open_ = false;
  std::atomic<bool> ended_ = false;
  std::atomic<Reason> fatal_ = Reason::kNone;
  Outbox<v1::Execution> outbox_;
};

}  // namespace dbos::sidecar
