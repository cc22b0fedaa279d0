#include "sidecar/rpc/transaction_service.h"

#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/session_transactions.h"
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
  return TransactStream::Open(*context_.transactions);
}

grpc::ServerUnaryReactor* TransactionService::Execute(grpc::CallbackServerContext* call,
                                                      const v1::ExecuteRequest* request,
                                                      v1::ExecuteResponse* response) {
  if (context_.transactions != nullptr) return ExecuteCall::Run(*context_.transactions, call, *request, response);
  AddReasonTrailer(NoApplicationDatabase().reason, call);
  grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
  reactor->Finish(ToGrpcStatus(NoApplicationDatabase()));
  return reactor;
}

}  // namespace dbos::sidecar
