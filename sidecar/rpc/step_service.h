// StepService: the two doors through which an application runs workflows.
//
// Threads:  gRPC's. Blocking: never; every method checks, posts to the engine and returns.
// Lifetime: outlives the server it is registered with.
#pragma once

#include "dbos/v1/steps.grpc.pb.h"

#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

class StepService final : public v1::StepService::CallbackService {
 public:
  explicit StepService(RpcContext& context) : context_(context) {}

  grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionEvent>* Session(grpc::CallbackServerContext* call) override;
  grpc::ServerWriteReactor<v1::Execution>* Subscribe(grpc::CallbackServerContext* call,
                                                     const v1::SubscribeRequest* request) override;
  grpc::ServerUnaryReactor* RecordStep(grpc::CallbackServerContext* call, const v1::RecordStepRequest* request,
                                       v1::RecordStepResponse* response) override;
  grpc::ServerUnaryReactor* CompleteWorkflow(grpc::CallbackServerContext* call,
                                             const v1::CompleteWorkflowRequest* request,
                                             v1::CompleteWorkflowResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseExecution(grpc::CallbackServerContext* call,
                                             const v1::ReleaseExecutionRequest* request,
                                             v1::ReleaseExecutionResponse* response) override;
  grpc::ServerUnaryReactor* GetReplay(grpc::CallbackServerContext* call, const v1::GetReplayRequest* request,
                                      v1::ReplayPage* response) override;

 private:
  RpcContext& context_;
};

}  // namespace dbos::sidecar
