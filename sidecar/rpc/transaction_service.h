// TransactionService: SQL on the application database.
//
// Threads:  gRPC's. Blocking: never.
// Lifetime: outlives the server it is registered with.
#pragma once

#include "dbos/v1/transactions.grpc.pb.h"

#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

class TransactionService final : public v1::TransactionService::CallbackService {
 public:
  explicit TransactionService(RpcContext& context) : context_(context) {}

  grpc::ServerBidiReactor<v1::TransactRequest, v1::TransactResponse>* Transact(
      grpc::CallbackServerContext* call) override;
  grpc::ServerUnaryReactor* Execute(grpc::CallbackServerContext* call, const v1::ExecuteRequest* request,
                                    v1::ExecuteResponse* response) override;

 private:
  RpcContext& context_;
};

}  // namespace dbos::sidecar
