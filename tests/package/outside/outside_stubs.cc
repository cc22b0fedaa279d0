// Uses the installed proto headers: raw stubs and Protobuf values.
#include <iostream>
#include <string>

#include <absl/synchronization/mutex.h>
#include <dbos/dbos.h>
#include <dbos/protobuf.h>
#include <dbos/v1/workflows.grpc.pb.h>
#include <grpcpp/grpcpp.h>

int main() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto channel = grpc::CreateChannel("unix:/nowhere/sidecar.sock", grpc::InsecureChannelCredentials());
  const auto stub = dbos::v1::WorkflowService::NewStub(channel);
  grpc::ClientContext context;
  dbos::v1::GetWorkflowRequest request;
  dbos::v1::GetWorkflowResponse response;
  request.set_workflow_id("w");
  const grpc::Status status = stub->GetWorkflow(&context, request, &response);
  std::cout << dbos::Encode(request) << ": " << status.error_message() << "\n";
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ? 0 : 1;
}
