#include "sidecar/rpc/step_calls.h"

#include <utility>

#include "absl/time/clock.h"

#include "sidecar/rpc/convert.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {
namespace {

std::int64_t NowMs() {
  return absl::ToUnixMillis(absl::Now());
}

}  // namespace

void RecordStepCalls::Run(RpcContext& context, v1::RecordStepRequest request) {
  if (Error error = Check(request); !error.ok()) return Refuse(error);
  std::vector<RecordStepRequest> valid;
  Error fault;
  const ExecutionRef execution = TakeExecution(*request.mutable_execution());
  for (v1::StepRecord& step : *request.mutable_steps()) {
    if (fault.ok()) fault = Check(step);
    results_.push_back({step.step_id(), fault});
    if (fault.ok()) {
      valid.push_back({execution, TakeStep(step, NowMs())});
    } else if (fault.reason != Reason::kPrecedingOperationFailed) {
      fault = {Reason::kPrecedingOperationFailed, "an earlier step of this request was refused"};
    }
  }
  workflow_id_ = execution.workflow_id;
  Expect(valid.size());
  if (valid.empty()) return Complete();
  context.loop.Post([self = shared_from_this(), steps = std::move(valid)](Engine& engine) mutable {
    std::uint64_t seq = 0;
    for (RecordStepRequest& step : steps) engine.RecordStep(kNoSession, self, seq++, std::move(step));
  });
}

void RecordStepCalls::StepRefused(std::uint64_t seq, Error error) {
  results_.at(seq).error = std::move(error);
}

void RecordStepCalls::Complete() {
  Answer([this] {
    for (Result& result : results_) {
      v1::StepResult* to = response_->add_results();
      to->set_step_id(result.step_id);
      if (result.error.ok()) continue;
      PutError(result.error, to->mutable_error());
      to->mutable_error()->set_workflow_id(workflow_id_);
      to->mutable_error()->set_step_id(result.step_id);
    }
  });
}

void CompleteWorkflowCall::Run(RpcContext& context, v1::CompleteWorkflowRequest request) {
  if (Error error = Check(request); !error.ok()) return Refuse(error);
  status_ = request.outcome().has_error() ? v1::WORKFLOW_STATUS_ERROR : v1::WORKFLOW_STATUS_SUCCESS;
  const ExecutionRef execution = TakeExecution(*request.mutable_execution());
  std::vector<RecordStepRequest> trailing;
  for (v1::StepRecord& step : *request.mutable_trailing()) trailing.push_back({execution, TakeStep(step, NowMs())});
  CompleteRequest completion{execution, TakeOutcome(*request.mutable_outcome())};
  Expect(trailing.size() + 1);
  context.loop.Post(
      [self = shared_from_this(), steps = std::move(trailing), last = std::move(completion)](Engine& engine) mutable {
        std::uint64_t seq = 0;
        for (RecordStepRequest& step : steps) engine.RecordStep(kNoSession, self, seq++, std::move(step));
        engine.CompleteWorkflow(kNoSession, self, seq, std::move(last));
      });
}

void CompleteWorkflowCall::Complete() {
  Answer([this] { response_->set_status(status_); });
}

void ReleaseExecutionCall::Run(RpcContext& context, v1::ReleaseExecutionRequest request) {
  if (Error error = Check(request.execution()); !error.ok()) return Refuse(error);
  Expect(1);
  context.loop.Post([self = shared_from_this(), execution = TakeExecution(*request.mutable_execution())](
                        Engine& engine) mutable { engine.ReleaseExecution(self, 0, execution); });
}

void ReleaseExecutionCall::Complete() {
  Answer([] {});
}

}  // namespace dbos::sidecar
