#include "journal.h"

#include <algorithm>
#include <utility>

#include "deadline.h"
#include "protocol_errors.h"

namespace dbos::runtime {
namespace {

v1::ErrorDetail StoppedError(const std::string& why) {
  v1::ErrorDetail error;
  error.set_reason(v1::REASON_FENCED);
  error.set_retry(v1::RETRY_CLASS_STOP_EXECUTION);
  error.set_message(why);
  return error;
}

// What a refusal means for the execution. An operation that was refused while the execution still owned its workflow
// would be refused again in every other process, so the workflow ends with that error.
StopCause CauseOf(v1::Reason reason) {
  switch (reason) {
    case v1::REASON_WORKFLOW_CANCELLED:
      return StopCause::kCancelled;
    case v1::REASON_STEP_MISMATCH:
    case v1::REASON_STEP_ALREADY_RECORDED:
      return StopCause::kNonDeterminism;
    case v1::REASON_INVALID_REQUEST:
    case v1::REASON_PAYLOAD_TOO_LARGE:
    case v1::REASON_DATABASE_ERROR:
    case v1::REASON_PRECEDING_OPERATION_FAILED:
      return StopCause::kRefused;
    default:
      return StopCause::kLost;
  }
}

bool EndsWithFailure(StopCause cause) {
  return cause == StopCause::kNonDeterminism || cause == StopCause::kRefused;
}

std::string Why(const v1::ErrorDetail& error) {
  return (error.reason() == v1::REASON_FENCED ? "goes on elsewhere: " : "refused: ") + error.message();
}

}  // namespace

Journal::Journal(Session& session, Holds& holds, v1::ExecutionRef execution, Events events)
    : session_(session), holds_(holds), ref_(std::move(execution)), events_(std::move(events)) {
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

void Journal::Finish(StoredOutcome outcome) {
  bool pump = false;
  {
    const MutexLock lock(mu_);
    if (Gone()) return;
    pump = SendHeld();
    outcome_ = failure_ ? *failure_ : std::move(outcome);
    pump |= SendEnding();
  }
  session_.HelpNoMore();
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

bool Journal::SendEnding() {
  ending_sent_ = true;
  failure_sent_ = failure_.has_value();
  v1::CompleteFrame frame;
  *frame.mutable_execution() = ref_;
  v1::Outcome& wire = *frame.mutable_outcome();
  (outcome_.failed ? wire.mutable_error() : wire.mutable_value())->set_data(outcome_.text);
  return SendLocked(
      {.kind = FrameKind::kComplete,
       .body = frame.SerializeAsString(),
       .owner = std::shared_ptr<OperationOwner>(shared_from_this(), failure_sent_ ? &failing_ : &ending_)});
}

bool Journal::IsDurable(std::uint64_t position) const {
  const MutexLock lock(mu_);
  return durable_ >= position || stop_ != StopCause::kNone;
}

void Journal::WaitDurable(std::uint64_t position) {
  session_.HelpUntil([this, position] { return IsDurable(position); });
  const MutexLock lock(mu_);
  while (durable_ < position && stop_ == StopCause::kNone) {
    wake_at_ = wake_at_ == 0 ? position : std::min(wake_at_, position);
    advanced_.Wait(mu_);
  }
  ThrowIfStoppedLocked();
}

void Journal::Pause(std::chrono::milliseconds wait) {
  Flush();
  const SteadyTime until = DeadlineAfter(wait);
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
  session_.HelpNoMore();
  reply->Wait(std::nullopt);
  const MutexLock lock(mu_);
  reply_.reset();
  ThrowIfStoppedLocked();
}

void Journal::Stop(StopCause cause, const std::string& why) {
  std::optional<StoredOutcome> failure;
  if (cause == StopCause::kNonDeterminism) failure = FailedWith(NonDeterminismError(why).record());
  StopWith(cause, why, std::move(failure));
}

void Journal::StopRefused(const v1::ErrorDetail& error) {
  const StopCause cause = CauseOf(error.reason());
  if (!EndsWithFailure(cause)) return StopWith(cause, Why(error), std::nullopt);
  {
    const MutexLock lock(mu_);
    held_.reset();  // it would follow what was refused
    broken_off_ = true;
  }
  StopWith(cause, cause == StopCause::kRefused ? Why(error) : error.message(),
           FailedWith(RecordOf(error.reason(), error.message())));
  bool pump = false;
  {
    const MutexLock lock(mu_);
    if (!ending_sent_ || failure_sent_ || finished_ || Gone() || !failure_) return;
    outcome_ = *failure_;  // in the place of one that is under way
    pump = SendEnding();
  }
  if (pump) session_.Pump();
}

void Journal::StopWith(StopCause cause, const std::string& why, std::optional<StoredOutcome> failure) {
  std::shared_ptr<Reply> reply;
  std::shared_ptr<Reply> caller;
  {
    const MutexLock lock(mu_);
    if (finished_ || Gone() || (stop_ != StopCause::kNone && failure)) return;
    stop_ = cause;
    gone_ = Gone();
    why_ = why;
    failure_ = std::move(failure);
    if (Gone()) held_.reset();
    if (Gone()) caller = std::move(caller_);
    reply = reply_;
  }
  advanced_.NotifyAll();
  ended_.NotifyAll();
  if (caller != nullptr) caller->OnEnded(std::nullopt);
  if (reply != nullptr) reply->Abort(StoppedError(why));
  events_.stopped(cause, why);
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
    case StopCause::kRefused:
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
  bool reached = false;
  {
    const MutexLock lock(mu_);
    durable_ += count;
    reached = wake_at_ != 0 && durable_ >= wake_at_;
    if (reached) wake_at_ = 0;
  }
  // Without the lock, so that the woken thread does not run into it; the caller keeps this object alive.
  if (reached) advanced_.NotifyAll();
}

void Journal::OnRefused(const v1::ErrorDetail& error) {
  StopRefused(error);
}

bool Journal::TellEnd(const std::shared_ptr<Reply>& reply) {
  const MutexLock lock(mu_);
  if (finished_ || Gone() || caller_ != nullptr) return false;
  caller_ = reply;
  return true;
}

void Journal::Ended() {
  std::shared_ptr<Reply> caller;
  StoredOutcome outcome;
  {
    const MutexLock lock(mu_);
    if (finished_ || Gone()) return;
    finished_ = true;
    caller = std::move(caller_);
    if (caller != nullptr) outcome = outcome_;
  }
  ended_.NotifyAll();
  if (caller != nullptr) caller->OnEnded(std::move(outcome));
  events_.finished();
}

// The workflow ends with the failure instead. When that is refused too, nothing is left to say.
void Journal::EndingRefused(const v1::ErrorDetail& error, bool was_failure) {
  StopRefused(error);
  if (was_failure) Stop(StopCause::kLost, Why(error));
}

}  // namespace dbos::runtime
