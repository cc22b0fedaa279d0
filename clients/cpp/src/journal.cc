#include "journal.h"

#include <algorithm>
#include <utility>

namespace dbos::runtime {
namespace {

v1::ErrorDetail StoppedError(const std::string& why) {
  v1::ErrorDetail error;
  error.set_reason(v1::REASON_FENCED);
  error.set_retry(v1::RETRY_CLASS_STOP_EXECUTION);
  error.set_message(why);
  return error;
}

}  // namespace

Journal::Journal(Session& session, Holds& holds, Events events)
    : session_(session), holds_(holds), events_(std::move(events)) {
}

std::uint64_t Journal::Send(Operation operation) {
  bool pump = false;
  std::uint64_t position = 0;
  {
    const MutexLock lock(mu_);
    ThrowIfStoppedLocked();
    pump = SendHeld();
    pump |= SendLocked(std::move(operation));
    position = sent_;
  }
  if (pump) session_.Pump();
  return position;
}

void Journal::Hold(Operation operation) {
  std::uint64_t number = 0;
  {
    const MutexLock lock(mu_);
    ThrowIfStoppedLocked();
    held_ = std::move(operation);
    number = ++hold_number_;
  }
  holds_.Add(shared_from_this(), number);
}

std::uint64_t Journal::Flush() {
  bool pump = false;
  std::uint64_t position = 0;
  {
    const MutexLock lock(mu_);
    ThrowIfStoppedLocked();
    pump = SendHeld();
    position = sent_;
  }
  if (pump) session_.Pump();
  return position;
}

void Journal::Finish(Operation completion, StoredOutcome outcome) {
  bool pump = false;
  {
    const MutexLock lock(mu_);
    if (Gone()) return;
    pump = SendHeld();
    finishing_ = true;
    outcome_ = std::move(outcome);
    pump |= SendLocked(std::move(completion));
  }
  if (pump) session_.Pump();
}

void Journal::FlushHeld(std::uint64_t number) {
  bool pump = false;
  {
    const MutexLock lock(mu_);
    if (held_ && hold_number_ == number && stop_ == StopCause::kNone) pump = SendHeld();
  }
  if (pump) session_.Pump();
}

bool Journal::SendHeld() {
  if (!held_) return false;
  Operation operation = std::move(*held_);
  held_.reset();
  return SendLocked(std::move(operation));
}

bool Journal::SendLocked(Operation operation) {
  ++sent_;
  if (operation.owner == nullptr) operation.owner = shared_from_this();
  return session_.Enqueue(std::move(operation));
}

void Journal::WaitDurable(std::uint64_t position) {
  const MutexLock lock(mu_);
  while (durable_ < position && stop_ == StopCause::kNone) {
    wake_at_ = wake_at_ == 0 ? position : std::min(wake_at_, position);
    advanced_.Wait(mu_);
  }
  ThrowIfStoppedLocked();
}

void Journal::Pause(std::chrono::milliseconds wait) {
  Flush();
  const SteadyTime until = std::chrono::steady_clock::now() + wait;
  const MutexLock lock(mu_);
  while (stop_ == StopCause::kNone && std::chrono::steady_clock::now() < until) advanced_.WaitUntil(mu_, until);
  ThrowIfStoppedLocked();
}

void Journal::WaitReply(const std::shared_ptr<Reply>& reply) {
  {
    const MutexLock lock(mu_);
    ThrowIfStoppedLocked();
    reply_ = reply;
  }
  reply->Wait(std::nullopt);
  const MutexLock lock(mu_);
  reply_.reset();
  ThrowIfStoppedLocked();
}

void Journal::Stop(StopCause cause, const std::string& why) {
  std::shared_ptr<Reply> reply;
  {
    const MutexLock lock(mu_);
    if (finished_ || Gone() || stop_ == cause) return;
    stop_ = cause;
    gone_ = Gone();
    why_ = why;
    if (cause != StopCause::kNonDeterminism) held_.reset();
    reply = reply_;
  }
  advanced_.NotifyAll();
  ended_.NotifyAll();
  if (reply != nullptr) reply->Abort(StoppedError(why));
  events_.stopped(cause, why);
}

StopCause Journal::stop_cause(std::string* why) const {
  const MutexLock lock(mu_);
  if (why != nullptr) *why = why_;
  return stop_;
}

void Journal::ThrowIfStopped() const {
  const MutexLock lock(mu_);
  ThrowIfStoppedLocked();
}

void Journal::ThrowIfStoppedLocked() const {
  switch (stop_) {
    case StopCause::kNone:
      return;
    case StopCause::kLost:
      throw ExecutionStopped(why_);
    case StopCause::kCancelled:
      throw WorkflowCancelled(why_);
    case StopCause::kNonDeterminism:
      throw NonDeterminismError(why_);
  }
}

std::optional<StoredOutcome> Journal::WaitFinished(std::optional<SteadyTime> deadline) {
  const MutexLock lock(mu_);
  while (!finished_ && !Gone()) {
    if (!deadline) {
      ended_.Wait(mu_);
    } else if (!ended_.WaitUntil(mu_, *deadline) && !finished_) {
      return std::nullopt;
    }
  }
  if (!finished_) return std::nullopt;
  return outcome_;
}

void Journal::OnAcknowledged(std::size_t count) {
  bool finished = false;
  bool reached = false;
  {
    const MutexLock lock(mu_);
    durable_ += count;
    finished = finishing_ && durable_ == sent_ && !finished_;
    finished_ |= finished;
    reached = wake_at_ != 0 && durable_ >= wake_at_;
    if (reached) wake_at_ = 0;
  }
  // Without the lock, so that the woken thread does not run into it; the caller keeps this object alive.
  if (reached) advanced_.NotifyAll();
  if (!finished) return;
  ended_.NotifyAll();
  events_.finished();
}

void Journal::OnRefused(const v1::ErrorDetail& error) {
  const bool cancelled = error.reason() == v1::REASON_WORKFLOW_CANCELLED;
  Stop(cancelled ? StopCause::kCancelled : StopCause::kLost, error.message());
}

}  // namespace dbos::runtime
