// StepContext: what the body of a step may ask about its own run.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

namespace dbos {

class StepContext {
 public:
  StepContext(std::string workflow_id, std::int32_t step_id, int attempt, std::stop_token stop)
      : workflow_id_(std::move(workflow_id)), step_id_(step_id), attempt_(attempt), stop_(std::move(stop)) {}

  const std::string& workflow_id() const { return workflow_id_; }
  std::int32_t step_id() const { return step_id_; }
  // 1 for the first attempt.
  int attempt() const { return attempt_; }
  // Asked to stop when the attempt's timeout is over or the workflow is cancelled or lost.
  const std::stop_token& stop_token() const { return stop_; }
  // The same for every attempt and every recovery of this step: give it to services that take an idempotency key.
  std::string idempotency_key() const { return workflow_id_ + "-" + std::to_string(step_id_); }

 private:
  std::string workflow_id_;
  std::int32_t step_id_;
  int attempt_;
  std::stop_token stop_;
};

}  // namespace dbos
