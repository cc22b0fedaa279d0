#include "reply.h"

#include "protocol_errors.h"

namespace dbos::runtime {

bool Reply::Wait(std::optional<SteadyTime> deadline) {
  const MutexLock lock(mu_);
  while (!done_) {
    if (!deadline) {
      answered_.Wait(mu_);
    } else if (!answered_.WaitUntil(mu_, *deadline) && !done_) {
      abandoned_ = true;
      return false;
    }
  }
  return true;
}

template <typename Fill>
void Reply::Finish(Fill fill) {
  {
    const MutexLock lock(mu_);
    if (done_) return;
    fill();
    done_ = true;
  }
  answered_.NotifyAll();
}

void Reply::Abort(const v1::ErrorDetail& error) {
  Finish([&] {
    refusal_ = error;
    abandoned_ = true;
  });
}

void Reply::OnAcknowledged(std::size_t /*count*/) {
}

void Reply::OnRefused(const v1::ErrorDetail& error) {
  if (prefix_ != nullptr && IsCallersFault(error)) {
    prefix_->OnAcknowledged(1);  // the execution goes on: user code gets the refusal as an exception
  } else if (prefix_ != nullptr) {
    prefix_->OnRefused(error);
  }
  Abort(error);
}

void Reply::OnStarted(const v1::StartWorkflowResponse& response) {
  if (prefix_ != nullptr) prefix_->OnAcknowledged(1);
  {
    const MutexLock lock(mu_);
    if (done_) return;
    started_ = response;
    accepted_ = true;
  }
  if (onward_ == nullptr || !onward_(response.workflow_id())) OnEnded(std::nullopt);
}

void Reply::OnEnded(std::optional<StoredOutcome> outcome) {
  Finish([&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { outcome_ = std::move(outcome); });
}

bool Reply::done() const {
  const MutexLock lock(mu_);
  return done_;
}

bool Reply::accepted() const {
  const MutexLock lock(mu_);
  return accepted_;
}

std::optional<StoredOutcome> Reply::outcome() const {
  const MutexLock lock(mu_);
  return outcome_;
}

void Reply::OnAwaited(const v1::AwaitWorkflowResponse& response) {
  Finish([&] { awaited_ = response; });
}

void Reply::OnTransacted(v1::TransactResponse& response) {
  Finish([&] { transacted_.Swap(&response); });
}

void Reply::OnExecuted(v1::ExecuteResponse& response) {
  Finish([&] { executed_.Swap(&response); });
}

}  // namespace dbos::runtime
