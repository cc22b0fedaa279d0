// TransactStream: one stream of transactions. A request is read when the one before it is answered.
//
// Threads:  gRPC's and the pool's. Blocking: never.
// Lifetime: shared by gRPC (until OnDone) and by the answer that is awaited.
#pragma once

#include <atomic>
#include <memory>

#include <grpcpp/support/server_callback.h>

#include "dbos/v1/transactions.pb.h"

#include "sidecar/base/mutex.h"
#include "sidecar/engine/transaction_pool.h"
#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

class TransactStream final : public grpc::ServerBidiReactor<v1::TransactRequest, v1::TransactResponse>,
                             public std::enable_shared_from_this<TransactStream> {
 public:
  static TransactStream* Open(TransactionPool& pool);
  explicit TransactStream(TransactionPool& pool) : pool_(pool), conversation_(TransactionPool::Open()) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  void Answer(TransactionAnswer answer);
  void End();

  TransactionPool& pool_;
  const std::shared_ptr<TransactionPool::Conversation> conversation_;
  std::shared_ptr<TransactStream> self_;
  v1::TransactRequest request_;
  v1::TransactResponse response_;
  Mutex mu_;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

// Execute: a transaction of one statement. As UnaryCall, but answered by the pool.
class ExecuteCall final : public grpc::ServerUnaryReactor, public std::enable_shared_from_this<ExecuteCall> {
 public:
  static grpc::ServerUnaryReactor* Run(TransactionPool& pool, grpc::CallbackServerContext* call,
                                       v1::ExecuteRequest request, v1::ExecuteResponse* response);
  ExecuteCall(grpc::CallbackServerContext* call, v1::ExecuteResponse* response)
      : call_(call), response_(response), conversation_(TransactionPool::Open()) {}

  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  void Answer(TransactionAnswer answer);
  void Refuse(const Error& error);

  grpc::CallbackServerContext* const call_;
  v1::ExecuteResponse* const response_;
  const std::shared_ptr<TransactionPool::Conversation> conversation_;
  std::shared_ptr<ExecuteCall> self_;
  std::atomic<bool> ended_ = false;
};

}  // namespace dbos::sidecar
