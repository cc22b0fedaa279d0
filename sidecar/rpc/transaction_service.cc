#include "sidecar/rpc/transaction_service.h"

#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/transact_stream.h"

namespace dbos::sidecar {
namespace {

const Error& NoDatabase() {
  static const auto* const error =
      new Error{Reason::kNoApplicationDatabase,
                "there is no application database for transactions: set application_database_url "
                "(DBOS_APPLICATION_DATABASE_URL, --app-database); it may be the same as system_database_url"};
  return *error;
}

class RefusedStream final : public grpc::ServerBidiReactor<v1::TransactRequest, v1::TransactResponse> {
 public:
  explicit RefusedStream(grpc::CallbackServerContext* call) {
    AddReasonTrailer(NoDatabase().reason, call);
    Finish(ToGrpcStatus(NoDatabase()));
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
  AddReasonTrailer(NoDatabase().reason, call);
  grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
  reactor->Finish(ToGrpcStatus(NoDatabase()));
  return reactor;
}

}  // namespace dbos::sidecar
