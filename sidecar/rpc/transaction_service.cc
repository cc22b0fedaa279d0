#include "sidecar/rpc/transaction_service.h"

#include "sidecar/rpc/conversations.h"
#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/transact_stream.h"

namespace dbos::sidecar {
namespace {

class RefusedStream final : public grpc::ServerBidiReactor<v1::TransactRequest, v1::TransactResponse> {
 public:
  explicit RefusedStream(grpc::CallbackServerContext* call) {
    AddReasonTrailer(NoApplicationDatabase().reason, call);
    Finish(ToGrpcStatus(NoApplicationDatabase()));
  }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerBidiReactor<v1::TransactRequest, v1::TransactResponse>* TransactionService::Transact(
    grpc::CallbackServerContext* call) {
  if (context_.transactions == nullptr) return new RefusedStream(call);
  return TransactStream::Open(context_.transactions);
}

grpc::ServerUnaryReactor* TransactionService::Execute(grpc::CallbackServerContext* call,
                                                      const v1::ExecuteRequest* request,
                                                      v1::ExecuteResponse* response) {
  const auto execute = UnaryCall::Make<ExecuteCall>(call, response, context_.transactions);
  execute->Run(*request);
  return execute.get();
}

}  // namespace dbos::sidecar
