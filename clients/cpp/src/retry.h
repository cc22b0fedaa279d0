// Retry: runs the body of a step until it succeeds or its attempts are used up.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include <dbos/detail/operations.h>
#include <dbos/options.h>

#include "error_records.h"

namespace dbos::runtime {

// What an attempt needs of the world; a test injects its own.
class AttemptWorld {
 public:
  AttemptWorld() = default;
  virtual ~AttemptWorld() = default;
  AttemptWorld(const AttemptWorld&) = delete;
  AttemptWorld& operator=(const AttemptWorld&) = delete;

  virtual std::stop_token Stop() const = 0;
  // Waits between two attempts. Throws ExecutionStopped when the workflow is stopped meanwhile.
  virtual void Pause(std::chrono::milliseconds wait) = 0;
  // Calls request_stop() when the time is over, unless the returned guard is gone by then.
  virtual std::shared_ptr<void> StopAfter(std::chrono::milliseconds timeout, std::stop_source source) = 0;
  // 0 to 1, for jitter.
  virtual double Random() = 0;
};

struct StepCall {
  const std::string& workflow_id;
  std::int32_t step_id;
  std::string_view name;
  const StepOptions& options;
};

// Throws InvalidArgument for options that make no sense.
void CheckStepOptions(std::string_view name, const StepOptions& options);

// Throws InvalidArgument: a replay does not run the body of a recorded step, so nothing in it may take a step id.
[[noreturn]] void ThrowCalledInStep();

// The wait after the given failed attempt (1 for the first), without jitter.
std::chrono::milliseconds BackoffAfter(const StepOptions& options, int attempt);

// The outcome to record. ExecutionStopped passes through: it is never an outcome.
StoredOutcome RunAttempts(const StepCall& call, const detail::StepBody& body, AttemptWorld& world);

}  // namespace dbos::runtime
