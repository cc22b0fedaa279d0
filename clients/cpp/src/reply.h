// Reply: the answer to one start, wait or request of a transaction, and the thread that waits for it. A caller that
// starts a workflow for its result sleeps on through the answer to the start, if somebody will tell it of the end.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "error_records.h"
#include "mutex.h"
#include "outbox.h"

namespace dbos::runtime {

class Reply final : public OperationOwner {
 public:
  // `prefix` counts the operation as one of its execution's, for the start of a child.
  explicit Reply(std::shared_ptr<OperationOwner> prefix = nullptr) : prefix_(std::move(prefix)) {}

  // Asked when the start is accepted, without a lock. True: OnEnded will follow, do not wake the thread until then.
  using Onward = std::function<bool(const std::string& workflow_id)>;
  void set_onward(Onward onward) { onward_ = std::move(onward); }
  // The workflow has ended here with this outcome, or goes on elsewhere.
  void OnEnded(std::optional<StoredOutcome> outcome);

  // False when the time is over. The operation is then abandoned: not sent again after a reconnect.
  bool Wait(std::optional<SteadyTime> deadline);
  // Wakes the waiting thread; refusal() then has this error.
  void Abort(const v1::ErrorDetail& error);
  bool done() const;

  // After Wait returned true. A refusal without a reason means there was none.
  const v1::ErrorDetail& refusal() const { return refusal_; }
  const v1::StartWorkflowResponse& started() const { return started_; }
  const v1::AwaitWorkflowResponse& awaited() const { return awaited_; }
  v1::TransactResponse& transacted() { return transacted_; }
  v1::ExecuteResponse& executed() { return executed_; }
  // Also after Wait returned false: the start was accepted, and what came of it so far.
  bool accepted() const;
  std::optional<StoredOutcome> outcome() const;

  void OnAcknowledged(std::size_t count) override;
  void OnRefused(const v1::ErrorDetail& error) override;
  void OnStarted(const v1::StartWorkflowResponse& response) override;
  void OnAwaited(const v1::AwaitWorkflowResponse& response) override;
  void OnTransacted(v1::TransactResponse& response) override;
  void OnExecuted(v1::ExecuteResponse& response) override;
  const void* execution() const override { return prefix_ != nullptr ? prefix_->execution() : this; }
  bool Abandoned() const override { return abandoned_ || (prefix_ != nullptr && prefix_->Abandoned()); }

 private:
  // `fill` keeps the answer, unless there is one.
  template <typename Fill>
  void Finish(Fill fill);

  const std::shared_ptr<OperationOwner> prefix_;
  Onward onward_;  // constant once sent
  mutable Mutex mu_;
  CondVar answered_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  bool accepted_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<StoredOutcome> outcome_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> abandoned_{false};
  // Written once, before done_; read after it.
  v1::ErrorDetail refusal_;
  v1::StartWorkflowResponse started_;
  v1::AwaitWorkflowResponse awaited_;
  v1::TransactResponse transacted_;
  v1::ExecuteResponse executed_;
};

}  // namespace dbos::runtime
