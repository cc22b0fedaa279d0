// The unary door: Subscribe for work, one call for everything else. What a script in any language would do.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <grpcpp/client_context.h>

#include "sidecar/base/ids.h"
#include "tests/conformance/door.h"

namespace dbos::sidecar {
namespace {

class UnaryDoor : public Door {
 public:
  explicit UnaryDoor(const std::shared_ptr<grpc::Channel>& channel)
      : steps_(v1::StepService::NewStub(channel)), workflows_(v1::WorkflowService::NewStub(channel)) {}
  ~UnaryDoor() override { Detach(); }

  Answer Attach(const Attachment& attachment) override {
    Detach();
    v1::SubscribeRequest request;
    request.set_application_name(attachment.application);
    request.set_application_version(attachment.version);
    request.set_incarnation(attachment.incarnation.empty() ? RandomUuid() : attachment.incarnation);
    request.mutable_credit()->set_executions(attachment.credit);
    for (const std::string& name : attachment.workflows) {
      auto* workflow = request.mutable_registrations()->add_workflows();
      workflow->set_name(name);
      workflow->set_max_recovery_attempts(attachment.max_recovery_attempts);
    }
    call_ = std::make_unique<grpc::ClientContext>();
    auto stream = steps_->Subscribe(call_.get(), request);
    ended_ = false;
    reader_ = std::thread([this, stream = std::move(stream)] { Read(*stream); });
    // A refusal ends the stream at once; being accepted has no message of its own.
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait_for(lock, std::chrono::milliseconds(300), [this] { return ended_ || !executions_.empty(); });
    return ended_ ? refusal_ : Answer{};
  }

  void Detach() override {
    if (call_ == nullptr) return;
    call_->TryCancel();
    reader_.join();
    call_.reset();
    executions_.clear();
  }

  std::optional<v1::Execution> Next(int timeout_ms) override {
    v1::Execution execution;
    {
      std::unique_lock<std::mutex> lock(mu_);
      changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return !executions_.empty() || ended_; });
      if (executions_.empty()) return std::nullopt;
      execution = std::move(executions_.front());
      executions_.pop_front();
    }
    while (!execution.replay_complete()) {
      v1::GetReplayRequest request;
      *request.mutable_execution() = execution.execution();
      request.set_after_step_id(execution.replay_size() == 0 ? -1 : execution.replay().rbegin()->step_id());
      v1::ReplayPage page;
      grpc::ClientContext call;
      if (!steps_->GetReplay(&call, request, &page).ok()) return std::nullopt;
      for (auto& step : *page.mutable_steps()) *execution.add_replay() = std::move(step);
      execution.set_replay_complete(page.last());
    }
    return execution;
  }

  Answer Record(const v1::ExecutionRef& execution, const v1::StepRecord& step) override {
    return RecordAll(execution, {step}).front();
  }

  std::vector<Answer> RecordAll(const v1::ExecutionRef& execution, const std::vector<v1::StepRecord>& steps) override {
    v1::RecordStepRequest request;
    *request.mutable_execution() = execution;
    for (const v1::StepRecord& step : steps) *request.add_steps() = step;
    v1::RecordStepResponse response;
    grpc::ClientContext call;
    SetDeadline(call);
    const grpc::Status status = steps_->RecordStep(&call, request, &response);
    if (!status.ok()) return std::vector<Answer>(steps.size(), ToAnswer(status, call));
    std::vector<Answer> answers;
    for (const v1::StepResult& result : response.results()) {
      if (!result.has_error()) {
        answers.emplace_back();
      } else {
        answers.push_back({v1::Reason_Name(result.error().reason()), result.error().message()});
      }
    }
    answers.resize(steps.size(), {"NO_RESULT", ""});
    return answers;
  }

  Answer AwaitEnd(const std::string& workflow_id, std::int64_t timeout_ms) override {
    v1::AwaitWorkflowRequest request;
    request.set_workflow_id(workflow_id);
    request.set_timeout_ms(timeout_ms);
    v1::AwaitWorkflowResponse response;
    grpc::ClientContext call;
    SetDeadline(call);
    return ToAnswer(workflows_->AwaitWorkflow(&call, request, &response), call);
  }

  Answer Complete(const v1::ExecutionRef& execution, const v1::Outcome& outcome) override {
    v1::CompleteWorkflowRequest request;
    *request.mutable_execution() = execution;
    *request.mutable_outcome() = outcome;
    v1::CompleteWorkflowResponse response;
    grpc::ClientContext call;
    SetDeadline(call);
    return ToAnswer(steps_->CompleteWorkflow(&call, request, &response), call);
  }

  Answer Start(const v1::StartWorkflowRequest& request, v1::StartWorkflowResponse* response) override {
    grpc::ClientContext call;
    SetDeadline(call);
    return ToAnswer(workflows_->StartWorkflow(&call, request, response), call);
  }

 private:
  static void SetDeadline(grpc::ClientContext& call) {
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  }

  void Read(grpc::ClientReader<v1::Execution>& stream) {
    v1::Execution execution;
    while (stream.Read(&execution)) {
      std::lock_guard<std::mutex> lock(mu_);
      executions_.push_back(std::move(execution));
      changed_.notify_all();
    }
    const grpc::Status status = stream.Finish();
    std::lock_guard<std::mutex> lock(mu_);
    refusal_ = ToAnswer(status, *call_);
    ended_ = true;
    changed_.notify_all();
  }

  const std::unique_ptr<v1::StepService::Stub> steps_;
  const std::unique_ptr<v1::WorkflowService::Stub> workflows_;
  std::unique_ptr<grpc::ClientContext> call_;
  std::thread reader_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::deque<v1::Execution> executions_;
  bool ended_ = false;
  Answer refusal_;
};

}  // namespace

std::unique_ptr<Door> OpenUnaryDoor(const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<UnaryDoor>(channel);
}

}  // namespace dbos::sidecar
