// AsyncTask: a step that runs beside its workflow, on a thread of the pool, or on the thread that waits for it when the
// pool has none to spare: so a full pool slows concurrent steps down but cannot deadlock them.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include <dbos/detail/operations.h>

#include "error_records.h"
#include "mutex.h"

namespace dbos::runtime {

class Execution;

class AsyncTask final : public detail::AsyncStep {
 public:
  // `barrier`: the journal position that must be durable before the body starts.
  AsyncTask(std::shared_ptr<Execution> execution, std::int32_t step_id, std::string name, StepOptions options,
            detail::StepBody body, std::uint64_t barrier);
  // A step that was recorded before.
  explicit AsyncTask(StoredOutcome recorded);

  // Runs the step unless another thread does.
  void TryRun() noexcept;
  std::string Get() override;
  void Join() noexcept override;
  bool done() const;

 private:
  enum class State { kQueued, kRunning, kDone };
  StoredOutcome RunAndRecord();
  void Settle(std::optional<StoredOutcome> outcome, std::exception_ptr stopped);

  std::shared_ptr<Execution> execution_;
  const std::int32_t step_id_ = 0;
  const std::string name_;
  const StepOptions options_;
  detail::StepBody body_;
  const std::uint64_t barrier_ = 0;
  mutable Mutex mu_;
  CondVar settled_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kQueued;
  std::optional<StoredOutcome> outcome_ ABSL_GUARDED_BY(mu_);
  std::exception_ptr stopped_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::runtime
