#include "sidecar/rpc/step_service.h"

#include <utility>

#include "sidecar/rpc/convert.h"
#include "sidecar/rpc/session_stream.h"
#include "sidecar/rpc/step_calls.h"
#include "sidecar/rpc/subscription.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kReplayPageBytes = 1 << 20;

Error ReadReplay(Storage& storage, const v1::GetReplayRequest& request, v1::ReplayPage* response) {
  absl::StatusOr<std::vector<Replay>> pages = storage.LoadReplay(
      {{request.execution().workflow_id(), request.after_step_id()}}, static_cast<std::int64_t>(kReplayPageBytes));
  if (!pages.ok()) return ReadError(pages.status());
  if (pages->empty() || pages->front().deleted) {
    return {Reason::kWorkflowNotFound,
            "there is no workflow with the id \"" + request.execution().workflow_id() + "\""};
  }
  *response->mutable_execution() = request.execution();
  response->set_last(pages->front().complete);
  std::size_t bytes = 0;
  for (StepRecord& step : pages->front().steps) {
    bytes += WireBytes(step);
    if (bytes > kReplayPageBytes && response->steps_size() > 0) {  // one step may be larger than a page
      response->set_last(false);
      break;
    }
    Put(std::move(step), response->add_steps());
  }
  return {};
}

}  // namespace

grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionEvent>* StepService::Session(grpc::CallbackServerContext* call) {
  return SessionStream::Open(context_, call);
}

grpc::ServerWriteReactor<v1::Execution>* StepService::Subscribe(grpc::CallbackServerContext* call,
                                                                const v1::SubscribeRequest* request) {
  return Subscription::Open(context_, call, request);
}

grpc::ServerUnaryReactor* StepService::RecordStep(grpc::CallbackServerContext* call,
                                                  const v1::RecordStepRequest* request,
                                                  v1::RecordStepResponse* response) {
  auto record = UnaryCall::Make<RecordStepCalls>(call, response);
  record->Run(context_, *request);
  return record.get();
}

grpc::ServerUnaryReactor* StepService::CompleteWorkflow(grpc::CallbackServerContext* call,
                                                        const v1::CompleteWorkflowRequest* request,
                                                        v1::CompleteWorkflowResponse* response) {
  auto complete = UnaryCall::Make<CompleteWorkflowCall>(call, response);
  complete->Run(context_, *request);
  return complete.get();
}

grpc::ServerUnaryReactor* StepService::ReleaseExecution(grpc::CallbackServerContext* call,
                                                        const v1::ReleaseExecutionRequest* request,
                                                        v1::ReleaseExecutionResponse*) {
  auto release = UnaryCall::Make<ReleaseExecutionCall>(call);
  release->Run(context_, *request);
  return release.get();
}

grpc::ServerUnaryReactor* StepService::GetReplay(grpc::CallbackServerContext* call, const v1::GetReplayRequest* request,
                                                 v1::ReplayPage* response) {
  return ReadCall<v1::ReplayPage>::Post(
      context_, call, response, Check(*request),
      [request = *request](Storage& storage, v1::ReplayPage* page) { return ReadReplay(storage, request, page); });
}

}  // namespace dbos::sidecar
