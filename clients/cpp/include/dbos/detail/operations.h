// Operations: what a Context asks of whatever runs the workflow. All values are JSON text.
//
// Implemented by the runtime (src/execution.h, over the sidecar) and by dbos::testing (in memory).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <dbos/options.h>
#include <dbos/step_context.h>

namespace dbos {
class Transaction;
struct SqlParam;
using SqlParams = std::vector<SqlParam>;
}  // namespace dbos

namespace dbos::detail {

// Returns the encoded result; what it throws is the step's failure.
using StepBody = std::function<std::string(StepContext&)>;

// As a StepBody; what it throws rolls the transaction back. Run again after a conflict.
using TransactionBody = std::function<std::string(Transaction&)>;

// A step that runs beside its workflow.
class AsyncStep {
 public:
  AsyncStep() = default;
  virtual ~AsyncStep() = default;
  AsyncStep(const AsyncStep&) = delete;
  AsyncStep& operator=(const AsyncStep&) = delete;
  // Waits for the body; the stored result, or throws StepError.
  virtual std::string Get() = 0;
  // Waits until the body no longer runs. Never throws.
  virtual void Join() noexcept = 0;
};

class Operations {
 public:
  Operations() = default;
  virtual ~Operations() = default;
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  virtual const std::string& workflow_id() const = 0;
  virtual std::stop_token stop_token() const = 0;

  // The recorded result, or runs the body and records it. Throws StepError for a failed step.
  virtual std::string RunStep(std::string_view name, const StepOptions& options, const StepBody& body) = 0;
  virtual std::shared_ptr<AsyncStep> StartStep(std::string_view name, StepOptions options, StepBody body) = 0;
  // Returns the id of the child.
  virtual std::string StartChild(std::string_view name, const StartOptions& options, std::string input) = 0;
  // As RunStep, for a body that is a transaction. Throws SqlError and its like as well.
  virtual std::string RunTransaction(std::string_view name, const TransactionOptions& options,
                                     const TransactionBody& body) = 0;
  // One statement that is a whole transaction; the text of its Rows.
  virtual std::string RunSql(std::string_view name, std::string_view sql, const SqlParams& params,
                             const TransactionOptions& options) = 0;
  // The result of another workflow, recorded as DBOS.getResult.
  virtual std::string AwaitChild(const std::string& workflow_id) = 0;
};

}  // namespace dbos::detail
