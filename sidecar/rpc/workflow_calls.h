// The calls of WorkflowService that the engine answers.
//
// Threads: see UnaryCall.
#pragma once

#include <atomic>
#include <optional>

#include "dbos/v1/workflows.pb.h"

#include "sidecar/rpc/unary_call.h"

namespace dbos::sidecar {

class StartWorkflowCall final : public UnaryCall {
 public:
  StartWorkflowCall(grpc::CallbackServerContext* call, v1::StartWorkflowResponse* response)
      : UnaryCall(call), response_(response) {}

  void Run(RpcContext& context, v1::StartWorkflowRequest request);

 protected:
  void KeepStarted(StartResult result) override { result_ = std::move(result); }
  void Complete() override;

 private:
  v1::StartWorkflowResponse* const response_;
  StartResult result_;
};

// Waits as long as the caller does; a caller that goes away frees the engine's waiter.
class AwaitWorkflowCall final : public UnaryCall {
 public:
  AwaitWorkflowCall(RpcContext& context, grpc::CallbackServerContext* call, v1::AwaitWorkflowResponse* response)
      : UnaryCall(call), context_(context), response_(response) {}

  void Run(const v1::AwaitWorkflowRequest& request);

 protected:
  void KeepAwaited(AwaitResult result) override { result_ = std::move(result); }
  void Complete() override;
  void Abandoned() override;

 private:
  RpcContext& context_;
  v1::AwaitWorkflowResponse* const response_;
  AwaitResult result_;
};

class CancelWorkflowCall final : public UnaryCall {
 public:
  explicit CancelWorkflowCall(grpc::CallbackServerContext* call) : UnaryCall(call) {}

  void Run(RpcContext& context, const v1::CancelWorkflowRequest& request);

 protected:
  void Complete() override;
};

}  // namespace dbos::sidecar
