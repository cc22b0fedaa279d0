#include "unary_access.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <dbos/errors.h>

#include "deadline.h"
#include "error_records.h"
#include "protocol_errors.h"
#include "repeat_call.h"
#include "replay.h"
#include "start_request.h"
#include "wire_info.h"

namespace dbos::detail {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

constexpr milliseconds kRepeatDelay{50};
constexpr milliseconds kAwaitSlice{30'000};

bool IsTransient(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE;
}

}  // namespace

UnaryAccess::UnaryAccess(const std::shared_ptr<grpc::Channel>& channel, milliseconds request_timeout)
    : stub_(v1::WorkflowService::NewStub(channel)), request_timeout_(request_timeout) {
}

void UnaryAccess::Repeat(const Call& call) const {
  runtime::RepeatCall(request_timeout_, call);
}

std::string UnaryAccess::Start(std::string_view name, const StartOptions& options, std::string input) {
  const v1::StartWorkflowRequest request = runtime::MakeStartRequest(name, options, std::move(input), {});
  v1::StartWorkflowResponse response;
  Repeat([&](grpc::ClientContext& context) { return stub_->StartWorkflow(&context, request, &response); });
  return response.workflow_id();
}

std::string UnaryAccess::Await(const std::string& workflow_id, std::optional<milliseconds> timeout) {
  runtime::CheckName("workflow id", workflow_id, runtime::RequestLimits().max_name_bytes);
  const auto deadline = runtime::DeadlineAfter<system_clock>(timeout.value_or(runtime::kLongestWait));
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - system_clock::now());
    if (left.count() <= 0) {
      throw TimeoutError("workflow " + workflow_id + " did not end within " + std::to_string(timeout->count()) + " ms");
    }
    v1::AwaitWorkflowRequest request;
    request.set_workflow_id(workflow_id);
    request.set_timeout_ms(std::min(left, kAwaitSlice).count());
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(system_clock::now() + std::min(left, kAwaitSlice) + milliseconds(timeout ? 0 : 5000));
    v1::AwaitWorkflowResponse response;
    const grpc::Status status = stub_->AwaitWorkflow(&context, request, &response);
    if (status.ok() && response.status() != v1::WORKFLOW_STATUS_UNSPECIFIED) {
      return runtime::ValueOfWorkflow(workflow_id, runtime::OutcomeOf(response));
    }
    if (status.ok() || status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) continue;
    if (!IsTransient(status)) runtime::ThrowIfFailed(status, context);
    std::this_thread::sleep_for(kRepeatDelay);
  }
}

WorkflowInfo UnaryAccess::Describe(const std::string& workflow_id) {
  v1::GetWorkflowRequest request;
  request.set_workflow_id(workflow_id);
  request.set_with_input(true);
  request.set_with_outcome(true);
  try {
    return Get(request);
  } catch (const PayloadTooLarge&) {
    // Input and outcome do not fit into one message together. Each of them does.
  }
  request.set_with_outcome(false);
  WorkflowInfo with_input = Get(request);
  request.set_with_input(false);
  request.set_with_outcome(true);
  WorkflowInfo info = Get(request);
  info.input = std::move(with_input.input);
  return info;
}

WorkflowStatus UnaryAccess::Status(const std::string& workflow_id) {
  v1::GetWorkflowRequest request;
  request.set_workflow_id(workflow_id);
  return Get(request).status;
}

WorkflowInfo UnaryAccess::Get(const v1::GetWorkflowRequest& request) const {
  v1::GetWorkflowResponse response;
  Repeat([&](grpc::ClientContext& context) { return stub_->GetWorkflow(&context, request, &response); });
  return runtime::ToInfo(response.workflow());
}

std::vector<WorkflowInfo> UnaryAccess::List(const ListOptions& options) {
  const v1::ListWorkflowsRequest request = runtime::ToRequest(options);
  v1::ListWorkflowsResponse response;
  Repeat([&](grpc::ClientContext& context) { return stub_->ListWorkflows(&context, request, &response); });
  std::vector<WorkflowInfo> workflows;
  for (const v1::WorkflowInfo& workflow : response.workflows()) workflows.push_back(runtime::ToInfo(workflow));
  return workflows;
}

std::vector<StepInfo> UnaryAccess::Steps(const std::string& workflow_id) {
  std::vector<StepInfo> steps;
  v1::ListStepsRequest request;
  request.set_workflow_id(workflow_id);
  request.set_with_outcome(true);
  for (;;) {
    request.set_after_step_id(steps.empty() ? -1 : steps.back().step_id);
    v1::ListStepsResponse response;
    Repeat([&](grpc::ClientContext& context) { return stub_->ListSteps(&context, request, &response); });
    for (const v1::StepRecord& step : response.steps()) steps.push_back(runtime::ToInfo(step));
    if (!response.more()) return steps;
  }
}

void UnaryAccess::Cancel(const std::string& workflow_id) {
  v1::CancelWorkflowRequest request;
  request.set_workflow_id(workflow_id);
  v1::CancelWorkflowResponse response;
  Repeat([&](grpc::ClientContext& context) { return stub_->CancelWorkflow(&context, request, &response); });
}

}  // namespace dbos::detail
