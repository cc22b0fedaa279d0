// Journal: the operations of one execution, in order, and how far they are durable.
//
// Prefix rule: the body of a step starts when everything before it is durable. A finished step's value goes on to user
// code at once; its record is held until the next operation, the return, a wait or 1 ms, so that the last step and the
// outcome of the workflow leave in one message and share a commit.
//
// An execution that is lost or cancelled sends nothing more. One that failed for good, because its code took another
// path or because the sidecar refused one of its operations, still ends its workflow: with that failure as the outcome,
// whatever its code returns.
//
// Threads:  any; waits happen on the workflow's threads.
// Lifetime: shared with the session's outbox until every operation is answered.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "error_records.h"
#include "holds.h"
#include "mutex.h"
#include "reply.h"
#include "session.h"

namespace dbos::runtime {

enum class StopCause { kNone, kLost, kCancelled, kNonDeterminism, kRefused };

class Journal final : public OperationOwner, public Holder, public std::enable_shared_from_this<Journal> {
 public:
  // What happens to the execution, told once each, without the lock, on any thread. Must not block.
  struct Events {
    std::function<void(StopCause, const std::string& why)> stopped;
    std::function<void()> finished;  // the outcome is durable
  };
  Journal(Session& session, Holds& holds, v1::ExecutionRef execution, Events events);

  // Sends everything held, then the operation; returns the position after it, for WaitDurable.
  std::uint64_t Send(Operation operation);
  // Keeps the operation back for a moment.
  void Hold(Operation operation);
  // Sends what is held; returns the position after everything sent.
  std::uint64_t Flush();
  // Sends the outcome of the workflow, with what is held, in one message; nothing when it is lost or cancelled.
  void Finish(StoredOutcome outcome);

  // Waits until everything before `position` is durable. Throws when the execution is stopped.
  void WaitDurable(std::uint64_t position);
  // Waits for the time to pass. Throws when the execution is stopped.
  void Pause(std::chrono::milliseconds wait);
  // Waits for an answer that is not one of this journal's operations. Throws when the execution is stopped.
  void WaitReply(const std::shared_ptr<Reply>& reply);

  void Stop(StopCause cause, const std::string& why);
  // The sidecar has refused an operation of this execution, or ends it, for this reason.
  void StopRefused(const v1::ErrorDetail& error);
  void ThrowIfStopped() const;

  // The durable outcome; nothing when the execution was stopped or the time is over first.
  std::optional<StoredOutcome> WaitFinished(std::optional<SteadyTime> deadline);
  // Tells `reply` of the end instead, once. False: there is nothing to wait for, or somebody asked before.
  bool TellEnd(const std::shared_ptr<Reply>& reply);

  void OnAcknowledged(std::size_t count) override;
  void OnRefused(const v1::ErrorDetail& error) override;
  bool Abandoned() const override { return gone_ || broken_off_; }
  void FlushHeld(std::uint64_t number) override;

 private:
  // The owner of the last operation, which is answered apart from the others.
  class Ending final : public OperationOwner {
   public:
    Ending(Journal& journal, bool is_failure) : journal_(journal), is_failure_(is_failure) {}
    void OnAcknowledged(std::size_t /*count*/) override { journal_.Ended(); }
    void OnRefused(const v1::ErrorDetail& error) override { journal_.EndingRefused(error, is_failure_); }
    bool Abandoned() const override { return is_failure_ ? journal_.gone_.load() : journal_.Abandoned(); }
    const void* execution() const override { return journal_.execution(); }

   private:
    Journal& journal_;
    const bool is_failure_;
  };

  bool IsDurable(std::uint64_t position) const;  // or the execution is stopped
  void Ended();
  void EndingRefused(const v1::ErrorDetail& error, bool was_failure);
  void StopWith(StopCause cause, const std::string& why, std::optional<StoredOutcome> failure);
  bool SendHeld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool SendEnding() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool SendLocked(Operation operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Another process has it, or nobody may have it: nothing more is sent.
  bool Gone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return stop_ == StopCause::kLost || stop_ == StopCause::kCancelled;
  }
  void ThrowIfStoppedLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Session& session_;
  Holds& holds_;
  const v1::ExecutionRef ref_;
  const Events events_;
  Ending ending_{*this, /*is_failure=*/false};
  Ending failing_{*this, /*is_failure=*/true};
  mutable Mutex mu_;
  CondVar advanced_;  // for the workflow's threads: more is durable, or stopped
  CondVar ended_;     // for handles: finished or stopped
  std::uint64_t sent_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t durable_ ABSL_GUARDED_BY(mu_) = 0;
  std::uint64_t wake_at_ ABSL_GUARDED_BY(mu_) = 0;  // the least position a thread waits for, 0 for none
  std::optional<Operation> held_ ABSL_GUARDED_BY(mu_);
  std::uint64_t hold_number_ ABSL_GUARDED_BY(mu_) = 0;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  StoredOutcome outcome_ ABSL_GUARDED_BY(mu_);                 // sent last
  std::optional<StoredOutcome> failure_ ABSL_GUARDED_BY(mu_);  // takes the place of any other outcome
  bool ending_sent_ ABSL_GUARDED_BY(mu_) = false;
  bool failure_sent_ ABSL_GUARDED_BY(mu_) = false;
  // For Abandoned, which the session calls under its own lock: as Gone(); an operation was refused, and what was sent
  // behind it must not go to a sidecar that does not know of that.
  std::atomic<bool> gone_{false};
  std::atomic<bool> broken_off_{false};
  StopCause stop_ ABSL_GUARDED_BY(mu_) = StopCause::kNone;
  std::string why_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Reply> reply_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<Reply> caller_ ABSL_GUARDED_BY(mu_);  // who runs this workflow for its result
};

}  // namespace dbos::runtime
