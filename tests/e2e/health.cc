#include "tests/e2e/health.h"

#include <chrono>

#include "dbos/v1/admin.grpc.pb.h"
#include "dbos/v1/workflows.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/client_unary_call.h"

namespace dbos::sidecar {

// grpc.health.v1 without its proto: a name in field 1 asks, a number in field 1 answers. Ours have the same wire form.
Serving AskHealth(const std::string& address, const std::string& service) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  v1::CancelWorkflowRequest request;
  request.set_workflow_id(service);
  v1::DrainRequest answer;
  const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check", grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::internal::BlockingUnaryCallImpl<v1::CancelWorkflowRequest, v1::DrainRequest> call(channel.get(), method,
                                                                                          &context, request, &answer);
  return call.status().ok() ? static_cast<Serving>(answer.finish_within_ms()) : Serving::kNoAnswer;
}

}  // namespace dbos::sidecar
