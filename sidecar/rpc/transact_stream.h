// TransactStream: one stream of transactions. A request is read when the one before it is answered.
//
// Threads:  gRPC's and the pool's. Blocking: never.
// Lifetime: shared by gRPC (until OnDone) and by the answer that is awaited.
#pragma once

#include <memory>

#include <grpcpp/support/server_callback.h>

#include "dbos/v1/transactions.pb.h"

#include "sidecar/base/mutex.h"
#include "sidecar/rpc/conversations.h"
#include "sidecar/rpc/unary_call.h"

namespace dbos::sidecar {

class TransactStream final : public grpc::ServerBidiReactor<v1::TransactRequest, v1::TransactResponse>,
                             public std::enable_shared_from_this<TransactStream> {
 public:
  static TransactStream* Open(TransactionPool* pool);
  explicit TransactStream(TransactionPool* pool) : conversations_(pool) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  void Answer(TransactionAnswer answer);
  void End();

  Conversations conversations_;
  std::shared_ptr<TransactStream> self_;
  v1::TransactRequest request_;
  v1::TransactResponse response_;
  Mutex mu_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

// Execute: a transaction of one statement, answered by the pool.
class ExecuteCall final : public UnaryCall {
 public:
  ExecuteCall(grpc::CallbackServerContext* call, v1::ExecuteResponse* response, TransactionPool* pool)
      : UnaryCall(call), response_(response), conversations_(pool) {}

  void Run(v1::ExecuteRequest request);

 protected:
  void Abandoned() override { conversations_.CloseAll(); }

 private:
  void Take(TransactionAnswer answer);

  v1::ExecuteResponse* const response_;
  Conversations conversations_;
};

}  // namespace dbos::sidecar
