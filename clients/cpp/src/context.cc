// Steps: what Context::step does. The life of a checkpoint begins here, in RecordStep.
#include <utility>

#include <dbos/context.h>

#include "execution.h"
#include "ids.h"
#include "running_code.h"

namespace dbos::runtime {
namespace {

constexpr std::size_t kAsyncStepsKept = 64;

// The step whose body runs on this thread, if any: an operation inside of a step is plain code of that step.
thread_local StepContext* running_step = nullptr;

class RunningStep {
 public:
  explicit RunningStep(StepContext& step) : outer_(std::exchange(running_step, &step)) {}
  ~RunningStep() { running_step = outer_; }
  RunningStep(const RunningStep&) = delete;
  RunningStep& operator=(const RunningStep&) = delete;

 private:
  StepContext* outer_;
};

}  // namespace

std::string Execution::RunStep(std::string_view name, const StepOptions& options, const detail::StepBody& body) {
  RefuseInTransaction();
  if (running_step != nullptr) return body(*running_step);
  CheckCall("step", name);
  CheckStepOptions(name, options);
  const std::int32_t step_id = next_step_++;
  if (const v1::StepRecord* recorded = TakeRecorded(step_id, name)) return ValueOfStep(OutcomeOf(recorded->outcome()));
  journal_->WaitDurable(journal_->Flush());
  const std::int64_t started = NowMs();
  const StoredOutcome outcome = RunBody({workflow_id(), step_id, name, options}, body);
  RecordStep(step_id, name, outcome, started);
  return ValueOfStep(outcome);
}

// Held for a moment, so that the record shares a message, and a commit, with what follows it.
void Execution::RecordStep(std::int32_t step_id, std::string_view name, const StoredOutcome& outcome,
                           std::int64_t started_at_ms) {
  journal_->Hold(EncodeRecord(step_id, name, outcome, started_at_ms));
}

Operation Execution::EncodeRecord(std::int32_t step_id, std::string_view name, const StoredOutcome& outcome,
                                  std::int64_t started_at_ms, std::string_view child_id) const {
  v1::RecordStepFrame frame;
  *frame.mutable_execution() = ref_;
  v1::StepRecord& step = *frame.mutable_step();
  step.set_step_id(step_id);
  step.set_name(name.data(), name.size());
  v1::Outcome& wire = *step.mutable_outcome();
  v1::Payload& payload = outcome.failed ? *wire.mutable_error() : *wire.mutable_value();
  payload.set_data(outcome.text);
  payload.set_serialization(outcome.serialization);
  step.set_child_workflow_id(child_id.data(), child_id.size());
  step.set_started_at_ms(started_at_ms);
  step.set_completed_at_ms(NowMs());
  return {.kind = FrameKind::kRecordStep, .body = frame.SerializeAsString(), .owner = nullptr};
}

StoredOutcome Execution::RunBody(const StepCall& call, const detail::StepBody& body) {
  const detail::StepBody guarded = [&body](StepContext& step) {
    const RunningStep running(step);
    return body(step);
  };
  StoredOutcome outcome = RunAttempts(call, guarded, *this);
  LimitOutcome(outcome, services_.session.max_payload_bytes());
  return outcome;
}

std::shared_ptr<detail::AsyncStep> Execution::StartStep(std::string_view name, StepOptions options,
                                                        detail::StepBody body) {
  CheckCall("step", name);
  CheckStepOptions(name, options);
  const std::int32_t step_id = next_step_++;
  if (const v1::StepRecord* recorded = TakeRecorded(step_id, name)) {
    return std::make_shared<AsyncTask>(OutcomeOf(recorded->outcome()));
  }
  auto task = std::make_shared<AsyncTask>(shared_from_this(), step_id, std::string(name), std::move(options),
                                          std::move(body), journal_->Flush());
  if (async_steps_.size() >= kAsyncStepsKept) {
    std::erase_if(async_steps_, [](const auto& step) { return step->done(); });
  }
  async_steps_.push_back(task);
  services_.pool.Submit([task] { task->TryRun(); });
  return task;
}

const v1::StepRecord* Execution::TakeRecorded(std::int32_t step_id, std::string_view name) {
  const v1::StepRecord* recorded = replay_.Find(step_id);
  if (recorded != nullptr && recorded->name() != name) Mismatch(*recorded, name);
  return recorded;
}

void Execution::Mismatch(const v1::StepRecord& recorded, std::string_view called) {
  journal_->Stop(StopCause::kNonDeterminism, MismatchMessage(workflow_id(), recorded, called));
  journal_->ThrowIfStopped();
  std::terminate();  // stopped for good: the line above throws
}

void Execution::CheckCall(std::string_view what, std::string_view name) const {
  journal_->ThrowIfStopped();
  RefuseInTransaction();
  if (running_step != nullptr) ThrowCalledInStep();
  if (std::this_thread::get_id() != thread_) {
    throw InvalidArgument("a Context belongs to its workflow's thread; use Context::async for steps that run at once");
  }
  CheckName((std::string(what) + " name").c_str(), name, services_.session.max_name_bytes());
}

}  // namespace dbos::runtime
