#include "async_step.h"

#include <utility>

#include "execution.h"
#include "ids.h"

namespace dbos::runtime {

AsyncTask::AsyncTask(std::shared_ptr<Execution> execution, std::int32_t step_id, std::string name, StepOptions options,
                     detail::StepBody body, std::uint64_t barrier)
    : execution_(std::move(execution)),
      step_id_(step_id),
      name_(std::move(name)),
      options_(std::move(options)),
      body_(std::move(body)),
      barrier_(barrier) {
}

AsyncTask::AsyncTask(StoredOutcome recorded) : state_(State::kDone), outcome_(std::move(recorded)) {
}

void AsyncTask::TryRun() noexcept {
  {
    const MutexLock lock(mu_);
    if (state_ != State::kQueued) return;
    state_ = State::kRunning;
  }
  try {
    Settle(RunAndRecord(), nullptr);
  } catch (...) {
    Settle(std::nullopt, std::current_exception());
  }
}

StoredOutcome AsyncTask::RunAndRecord() {
  execution_->journal().WaitDurable(barrier_);
  const std::int64_t started = NowMs();
  const StepCall call{execution_->workflow_id(), step_id_, name_, options_};
  StoredOutcome outcome = execution_->RunBody(call, body_);
  execution_->journal().Send(execution_->EncodeRecord(step_id_, name_, outcome, started));
  return outcome;
}

void AsyncTask::Settle(std::optional<StoredOutcome> outcome, std::exception_ptr stopped) {
  // What the body holds is freed here, on the thread that ran it, and before the waiting thread goes on.
  body_ = nullptr;
  const std::shared_ptr<Execution> released = std::move(execution_);
  const MutexLock lock(mu_);
  outcome_ = std::move(outcome);
  stopped_ = std::move(stopped);
  state_ = State::kDone;
  settled_.NotifyAll();
}

std::string AsyncTask::Get() {
  Join();
  const MutexLock lock(mu_);
  if (stopped_ != nullptr) std::rethrow_exception(stopped_);
  return ValueOfStep(*outcome_);
}

void AsyncTask::Join() noexcept {
  TryRun();
  const MutexLock lock(mu_);
  while (state_ != State::kDone) settled_.Wait(mu_);
}

bool AsyncTask::done() const {
  const MutexLock lock(mu_);
  return state_ == State::kDone;
}

}  // namespace dbos::runtime
