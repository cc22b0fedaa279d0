// WorkflowService: the caller's half. Starts and waits go through the engine, reads straight to a reader thread.
//
// Threads:  gRPC's. Blocking: never.
// Lifetime: outlives the server it is registered with.
#pragma once

#include "dbos/v1/workflows.grpc.pb.h"

#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

class WorkflowService final : public v1::WorkflowService::CallbackService {
 public:
  explicit WorkflowService(RpcContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* StartWorkflow(grpc::CallbackServerContext* call, const v1::StartWorkflowRequest* request,
                                          v1::StartWorkflowResponse* response) override;
  grpc::ServerUnaryReactor* GetWorkflow(grpc::CallbackServerContext* call, const v1::GetWorkflowRequest* request,
                                        v1::GetWorkflowResponse* response) override;
  grpc::ServerUnaryReactor* AwaitWorkflow(grpc::CallbackServerContext* call, const v1::AwaitWorkflowRequest* request,
                                          v1::AwaitWorkflowResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkflows(grpc::CallbackServerContext* call, const v1::ListWorkflowsRequest* request,
                                          v1::ListWorkflowsResponse* response) override;
  grpc::ServerUnaryReactor* ListSteps(grpc::CallbackServerContext* call, const v1::ListStepsRequest* request,
                                      v1::ListStepsResponse* response) override;
  grpc::ServerUnaryReactor* CancelWorkflow(grpc::CallbackServerContext* call, const v1::CancelWorkflowRequest* request,
                                           v1::CancelWorkflowResponse* response) override;

 private:
  RpcContext& context_;
};

}  // namespace dbos::sidecar
