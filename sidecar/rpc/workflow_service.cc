#include "sidecar/rpc/workflow_service.h"

#include <utility>

#include "sidecar/rpc/convert.h"
#include "sidecar/rpc/validate.h"
#include "sidecar/rpc/workflow_calls.h"

namespace dbos::sidecar {
namespace {

constexpr std::uint32_t kStepsPageDefault = 1000;
// A page, and the largest value that may follow, and a thousand long names, fit in one message.
constexpr std::int64_t kStepsPageBytes = 1 << 20;

// An answer of payloads must fit in one message; a page of rows with large values may not.
template <typename Response>
Error CheckSize(const Response& response) {
  if (response.ByteSizeLong() <= kMessageBytesMax) return {};
  return {Reason::kPayloadTooLarge, "the answer is larger than one message of " + std::to_string(kMessageBytesMax) +
                                        " bytes: ask for fewer rows, or without payloads"};
}

Error ReadOne(Storage& storage, const v1::GetWorkflowRequest& request, v1::GetWorkflowResponse* response) {
  absl::StatusOr<std::optional<WorkflowRecord>> found = storage.ReadWorkflow(request.workflow_id());
  if (!found.ok()) return ReadError(found.status());
  if (!found->has_value()) {
    return {Reason::kWorkflowNotFound, "there is no workflow with the id \"" + request.workflow_id() + "\""};
  }
  WorkflowRecord& record = **found;
  if (!request.with_input()) record.input.reset();
  if (!request.with_outcome()) record.outcome.reset();
  Put(std::move(record), response->mutable_workflow());
  return CheckSize(*response);
}

Error ReadList(Storage& storage, const WorkflowFilter& filter, v1::ListWorkflowsResponse* response) {
  absl::StatusOr<std::vector<WorkflowRecord>> found = storage.ListWorkflows(filter);
  if (!found.ok()) return ReadError(found.status());
  for (WorkflowRecord& record : *found) Put(std::move(record), response->add_workflows());
  return CheckSize(*response);
}

Error ReadSteps(Storage& storage, const v1::ListStepsRequest& request, v1::ListStepsResponse* response) {
  const std::uint32_t limit = request.limit() == 0 ? kStepsPageDefault : request.limit();
  absl::StatusOr<StepPage> found =
      storage.ListSteps({request.workflow_id(), request.after_step_id(), limit, kStepsPageBytes});
  if (!found.ok()) return ReadError(found.status());
  for (StepRecord& step : found->steps) {
    if (!request.with_outcome()) step.outcome.reset();
    Put(std::move(step), response->add_steps());
  }
  response->set_more(!found->complete);
  return CheckSize(*response);
}

}  // namespace

grpc::ServerUnaryReactor* WorkflowService::StartWorkflow(grpc::CallbackServerContext* call,
                                                         const v1::StartWorkflowRequest* request,
                                                         v1::StartWorkflowResponse* response) {
  auto start = UnaryCall::Make<StartWorkflowCall>(call, response);
  start->Run(context_, *request);
  return start.get();
}

grpc::ServerUnaryReactor* WorkflowService::GetWorkflow(grpc::CallbackServerContext* call,
                                                       const v1::GetWorkflowRequest* request,
                                                       v1::GetWorkflowResponse* response) {
  return ReadCall<v1::GetWorkflowResponse>::Post(
      context_, call, response, Check(*request),
      [request = *request](Storage& storage, v1::GetWorkflowResponse* to) { return ReadOne(storage, request, to); });
}

grpc::ServerUnaryReactor* WorkflowService::AwaitWorkflow(grpc::CallbackServerContext* call,
                                                         const v1::AwaitWorkflowRequest* request,
                                                         v1::AwaitWorkflowResponse* response) {
  auto wait = UnaryCall::Make<AwaitWorkflowCall>(context_, call, response);
  wait->Run(*request);
  return wait.get();
}

grpc::ServerUnaryReactor* WorkflowService::ListWorkflows(grpc::CallbackServerContext* call,
                                                         const v1::ListWorkflowsRequest* request,
                                                         v1::ListWorkflowsResponse* response) {
  Error fault = Check(*request);
  v1::ListWorkflowsRequest wanted = *request;
  return ReadCall<v1::ListWorkflowsResponse>::Post(
      context_, call, response, std::move(fault),
      [filter = TakeFilter(wanted)](Storage& storage, v1::ListWorkflowsResponse* to) {
        return ReadList(storage, filter, to);
      });
}

grpc::ServerUnaryReactor* WorkflowService::ListSteps(grpc::CallbackServerContext* call,
                                                     const v1::ListStepsRequest* request,
                                                     v1::ListStepsResponse* response) {
  return ReadCall<v1::ListStepsResponse>::Post(
      context_, call, response, Check(*request),
      [request = *request](Storage& storage, v1::ListStepsResponse* to) { return ReadSteps(storage, request, to); });
}

grpc::ServerUnaryReactor* WorkflowService::CancelWorkflow(grpc::CallbackServerContext* call,
                                                          const v1::CancelWorkflowRequest* request,
                                                          v1::CancelWorkflowResponse*) {
  auto cancel = UnaryCall::Make<CancelWorkflowCall>(call);
  cancel->Run(context_, *request);
  return cancel.get();
}

}  // namespace dbos::sidecar
