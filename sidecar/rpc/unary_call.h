// UnaryCall: one unary call that the engine or a read answers later.
//
// Threads:  answers come from any thread; the first of answer, refusal and cancellation ends the call, later ones are
//           ignored. A cancelled call frees its stream at once, whatever the engine still does with the request.
// Lifetime: shared by gRPC (until OnDone) and by whoever will answer.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include <grpcpp/support/server_callback.h>

#include "sidecar/engine/sink.h"
#include "sidecar/rpc/context.h"
#include "sidecar/rpc/errors.h"

namespace dbos::sidecar {

class UnaryCall : public grpc::ServerUnaryReactor, public ReplySink, public std::enable_shared_from_this<UnaryCall> {
 public:
  explicit UnaryCall(grpc::CallbackServerContext* call) : call_(call) {}

  // A new call that lives until gRPC is done with it.
  template <typename Call, typename... Arguments>
  static std::shared_ptr<Call> Make(Arguments&&... arguments) {
    auto call = std::make_shared<Call>(std::forward<Arguments>(arguments)...);
    call->self_ = call;
    return call;
  }

  // Ends the call with this error, unless it has ended.
  void Refuse(const Error& error);

  void OnCancel() override;
  void OnDone() override { self_.reset(); }

  // ReplySink. An answer is kept and sent by Flush, without the engine's lock.
  void Acknowledged(std::uint64_t seq) override;
  void Refused(std::uint64_t seq, Error error) override;
  void Started(std::uint64_t seq, StartResult result) override;
  void Awaited(std::uint64_t seq, AwaitResult result) override;
  void Flush() override;

 protected:
  // How many answers the engine will give. Before the request is posted.
  void Expect(std::size_t answers) { missing_.store(answers); }
  // Everything has been answered: fill the response, or Refuse.
  virtual void Complete() {}
  // One of several answers was refused; by default the first refusal is the call's.
  virtual void StepRefused(std::uint64_t seq, Error error);
  virtual void KeepStarted(StartResult) {}  // NOLINT(performance-unnecessary-value-param): overrides move it
  virtual void KeepAwaited(AwaitResult) {}  // NOLINT(performance-unnecessary-value-param)
  // The client went away or its deadline passed.
  virtual void Abandoned() {}

  // Ends the call well: `fill` runs if nothing ended it before.
  template <typename Fill>
  void Answer(Fill fill) {
    if (ended_.exchange(true)) return;
    fill();
    Finish(grpc::Status::OK);
  }

  Error first_refusal_;

 private:
  grpc::CallbackServerContext* const call_;
  std::shared_ptr<UnaryCall> self_;
  std::atomic<std::size_t> missing_ = 0;
  std::atomic<bool> ended_ = false;
};

// ReadCall: a unary call whose answer is read from the database by a reader thread.
template <typename Response>
class ReadCall final : public UnaryCall {
 public:
  ReadCall(grpc::CallbackServerContext* call, Response* response) : UnaryCall(call), response_(response) {}

  // `read` is Error(Storage&, Response*); a refused call shows the caller its error.
  template <typename Read>
  static grpc::ServerUnaryReactor* Post(RpcContext& context, grpc::CallbackServerContext* call, Response* response,
                                        Error fault, Read read) {
    auto self = Make<ReadCall>(call, response);
    if (!fault.ok()) {
      self->Refuse(fault);
      return self.get();
    }
    const bool posted = context.loop.PostRead([self, read = std::move(read)](Storage& storage) mutable {
      Response found;
      const Error error = read(storage, &found);
      if (!error.ok()) return self->Refuse(error);
      self->Answer([&] { *self->response_ = std::move(found); });
    });
    if (!posted) self->Refuse({Reason::kInflightLimit, "too many reads are waiting for the database: try again later"});
    return self.get();
  }

 private:
  Response* const response_;
};

}  // namespace dbos::sidecar
