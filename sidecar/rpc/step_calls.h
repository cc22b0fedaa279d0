// The unary door's operations on one execution.
//
// Threads: see UnaryCall.
#pragma once

#include <vector>

#include "dbos/v1/steps.pb.h"

#include "sidecar/rpc/unary_call.h"

namespace dbos::sidecar {

// RecordStep: several steps of one execution, each with its own result. After the first refusal the rest are refused.
class RecordStepCalls final : public UnaryCall {
 public:
  RecordStepCalls(grpc::CallbackServerContext* call, v1::RecordStepResponse* response)
      : UnaryCall(call), response_(response) {}

  void Run(RpcContext& context, v1::RecordStepRequest request);

 protected:
  void StepRefused(std::uint64_t seq, Error error) override;
  void Complete() override;

 private:
  struct Result {
    std::int32_t step_id = 0;
    Error error;
  };

  v1::RecordStepResponse* const response_;
  std::string workflow_id_;
  std::vector<Result> results_;
};

// CompleteWorkflow: trailing steps, then the outcome.
class CompleteWorkflowCall final : public UnaryCall {
 public:
  CompleteWorkflowCall(grpc::CallbackServerContext* call, v1::CompleteWorkflowResponse* response)
      : UnaryCall(call), response_(response) {}

  void Run(RpcContext& context, v1::CompleteWorkflowRequest request);

 protected:
  void Complete() override;

 private:
  v1::CompleteWorkflowResponse* const response_;
  v1::WorkflowStatus status_ = v1::WORKFLOW_STATUS_UNSPECIFIED;
};

class ReleaseExecutionCall final : public UnaryCall {
 public:
  explicit ReleaseExecutionCall(grpc::CallbackServerContext* call) : UnaryCall(call) {}

  void Run(RpcContext& context, v1::ReleaseExecutionRequest request);

 protected:
  void Complete() override;
};

}  // namespace dbos::sidecar
