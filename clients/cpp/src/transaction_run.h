// TransactionRun: runs the body of a transaction until it has an outcome. Conflicts, exhausted pools and lost sidecars
// are met here, by running it again.
//
// StepRun is the one of a workflow's step: every outcome is recorded by the sidecar. OutsideRun is the one without.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <dbos/detail/operations.h>

#include "error_records.h"
#include "sql_door.h"
#include "transaction_try.h"

namespace dbos::runtime {

// What a run needs of the world around it.
class TransactionWorld {
 public:
  TransactionWorld() = default;
  virtual ~TransactionWorld() = default;
  TransactionWorld(const TransactionWorld&) = delete;
  TransactionWorld& operator=(const TransactionWorld&) = delete;

  virtual std::stop_token Stop() const = 0;
  // Waits between two tries. Throws ExecutionStopped when the workflow is stopped meanwhile.
  virtual void Pause(std::chrono::milliseconds wait) = 0;
  // 0 to 1, for jitter.
  virtual double Random() = 0;
  // After the sidecar was lost: waits until it may be asked again. Throws ExecutionStopped as well.
  virtual void AwaitSidecar() = 0;
  // The sidecar will not have this execution's transaction, now or ever: throws.
  virtual void Refused(const v1::ErrorDetail& refusal) = 0;
  virtual std::size_t max_message_bytes() const = 0;
  virtual std::size_t max_payload_bytes() const = 0;
};

struct TransactionCall {
  SqlDoor& door;
  std::string_view name;
  const TransactionOptions& options;
  std::optional<v1::TransactionStep> step = std::nullopt;  // none: outside of a workflow
};

// The time of one operation and the waits in it.
class TryBudget {
 public:
  TryBudget(const TransactionOptions& options, TransactionWorld& world) : timeout_(options.timeout), world_(world) {
    Restart();
  }
  void Restart() { until_ = std::chrono::steady_clock::now() + timeout_; }
  std::chrono::milliseconds left() const;
  // Waits, a little longer each time. False: the time would be over.
  [[nodiscard]] bool Pause();
  void PauseRegardless();

 private:
  std::chrono::milliseconds Next();

  const std::chrono::milliseconds timeout_;
  TransactionWorld& world_;
  SteadyTime until_;
  double wait_ms_ = 1.0;
};

class StepRun {
 public:
  StepRun(const TransactionCall& call, TransactionWorld& world);

  struct Result {
    StoredOutcome outcome;
    bool recorded = true;  // false: the caller has to
  };
  Result Run(const detail::TransactionBody& body);
  // One statement known up front.
  Result Execute(const v1::SqlStatement& statement);

 private:
  std::optional<Result> Once(const detail::TransactionBody& body);
  std::optional<Result> AfterRefusal(const v1::ErrorDetail& refusal, const std::optional<StoredOutcome>& failure);
  // Has the failure recorded; what was recorded before stands.
  Result Record(const StoredOutcome& failure);
  TransactionTry MakeTry(std::chrono::milliseconds timeout) const;

  const TransactionCall call_;
  TransactionWorld& world_;
  TryBudget budget_;
};

class OutsideRun {
 public:
  OutsideRun(const TransactionCall& call, TransactionWorld& world);

  // Throws what the body throws.
  std::string Run(const detail::TransactionBody& body);
  // The value's text.
  std::string Execute(const v1::SqlStatement& statement);

 private:
  std::optional<std::string> Once(const detail::TransactionBody& body);
  void AfterRefusal(const v1::ErrorDetail& refusal);
  void AfterLoss();

  const TransactionCall call_;
  TransactionWorld& world_;
  TryBudget budget_;
};

}  // namespace dbos::runtime
