// Context: a workflow's access to durable operations.
//
// Each operation takes the next step id, in program order, when it is called; so a workflow must call the same
// operations in the same order each time it runs with the same arguments. Everything else it does must be
// deterministic: clocks, random numbers and input/output belong into steps.
//
// Threads:  belongs to the thread that runs the workflow. Use async() for steps that run at the same time.
// Blocking: a step's body starts when all earlier records of the workflow are durable.
// Errors:   StepError for a failed step, on the first run and on every replay. NonDeterminismError when another
//           operation is recorded at the step id. Throws ExecutionStopped or WorkflowCancelled (not std::exceptions) to
//           leave a workflow that this process must not continue.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <dbos/detail/arguments.h>
#include <dbos/detail/function_traits.h>
#include <dbos/detail/operations.h>
#include <dbos/options.h>
#include <dbos/rows.h>
#include <dbos/step_context.h>
#include <dbos/transaction.h>
#include <dbos/values.h>

namespace dbos {

template <class R, class Arguments>
class Workflow;

// A step that runs beside the workflow. Destroying it waits for the body to come back.
template <class T>
class StepFuture {
 public:
  explicit StepFuture(std::shared_ptr<detail::AsyncStep> step) : step_(std::move(step)) {}
  StepFuture(StepFuture&&) noexcept = default;
  StepFuture& operator=(StepFuture&&) noexcept = default;
  StepFuture(const StepFuture&) = delete;
  StepFuture& operator=(const StepFuture&) = delete;
  ~StepFuture() {
    if (step_ != nullptr) step_->Join();
  }

  // The result; throws StepError if the step failed. May be called once or many times.
  T get() {
    const std::string text = step_->Get();
    if constexpr (!std::is_void_v<T>) return Decode<T>(text);
  }

 private:
  std::shared_ptr<detail::AsyncStep> step_;
};

// A workflow that was started, or is awaited, from inside a workflow. Valid while the Context is.
template <class R>
class ChildHandle {
 public:
  ChildHandle(detail::Operations& operations, std::string workflow_id)
      : operations_(&operations), workflow_id_(std::move(workflow_id)) {}

  const std::string& id() const { return workflow_id_; }

  // Waits durably: recorded as DBOS.getResult. While it waits, this workflow holds none of the app's concurrency.
  // Throws WorkflowError, AwaitedWorkflowCancelled or MaxRecoveryAttemptsExceeded when the child ended so.
  R result() {
    const std::string text = operations_->AwaitChild(workflow_id_);
    if constexpr (!std::is_void_v<R>) return Decode<R>(text);
  }

 private:
  detail::Operations* operations_;
  std::string workflow_id_;
};

class Context {
 public:
  explicit Context(detail::Operations& operations) : operations_(&operations) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() = default;

  const std::string& workflow_id() const { return operations_->workflow_id(); }
  // Asked to stop when the workflow was cancelled, or must not go on in this process.
  std::stop_token stop_token() const { return operations_->stop_token(); }
  bool cancelled() const { return stop_token().stop_requested(); }

  // Runs `body` once and records its result; later runs get the recorded one. `body` takes nothing or a StepContext&.
  // Of this Context it may call step() only, which is then plain code: the other operations throw InvalidArgument.
  template <class F>
  detail::StepResult<F> step(std::string_view name, F&& body) {
    return step(name, StepOptions{}, std::forward<F>(body));
  }
  template <class F>
  detail::StepResult<F> step(std::string_view name, const StepOptions& options, F&& body) {
    const std::string text =
        operations_->RunStep(name, options, [&body](StepContext& step) { return CallBody(body, step); });
    if constexpr (!std::is_void_v<detail::StepResult<F>>) return Decode<detail::StepResult<F>>(text);
  }

  // Runs SQL in one transaction, with its record: exactly once; see transaction.h. `body` takes a Transaction&. It may
  // run more than once, and nothing else of this Context may be called in it. Times in what it returns have
  // milliseconds, as in the result of step(): to keep a row's microseconds return them as std::string.
  template <class F>
  detail::TransactionResult<F> transaction(std::string_view name, F&& body) {
    return transaction(name, TransactionOptions{}, std::forward<F>(body));
  }
  template <class F>
  detail::TransactionResult<F> transaction(std::string_view name, const TransactionOptions& options, F&& body) {
    using Result = detail::TransactionResult<F>;
    const std::string text = operations_->RunTransaction(name, options, [&body](Transaction& transaction) {
      return CallAndEncode([&]() -> Result { return body(transaction); });
    });
    if constexpr (!std::is_void_v<Result>) return Decode<Result>(text);
  }
  // One statement that is a whole transaction: one message, one commit with its record.
  Rows sql(std::string_view name, std::string_view statement, const SqlParams& params = {},
           const TransactionOptions& options = {}) {
    return Decode<Rows>(operations_->RunSql(name, statement, params, options));
  }

  // As step(), but the body runs beside the workflow. What it refers to must live until the future is gone.
  template <class F>
  StepFuture<detail::StepResult<F>> async(std::string_view name, F body) {
    return async(name, StepOptions{}, std::move(body));
  }
  template <class F>  // NOLINTNEXTLINE(performance-unnecessary-value-param): it is moved
  StepFuture<detail::StepResult<F>> async(std::string_view name, StepOptions options, F body) {
    auto shared = std::make_shared<F>(std::move(body));
    return StepFuture<detail::StepResult<F>>(operations_->StartStep(
        name, std::move(options), [shared](StepContext& step) { return CallBody(*shared, step); }));
  }

  // Starts a child workflow, in one commit with the record of it. The default id is "<this id>-<step id>".
  template <class R, class... Params, class... Args>
  ChildHandle<R> start(const Workflow<R, std::tuple<Params...>>& workflow, const StartOptions& options,
                       const Args&... args) {
    static_assert(sizeof...(Args) <= sizeof...(Params), "more arguments than the workflow function has parameters");
    return ChildHandle<R>(*operations_, operations_->StartChild(workflow.name(), options, workflow.Input(args...)));
  }
  template <class R, class... Args>
  ChildHandle<R> start(std::string_view name, const StartOptions& options, const Args&... args) {
    return ChildHandle<R>(*operations_, operations_->StartChild(name, options, detail::EncodeArguments(args...)));
  }

  // Another workflow, to await its result durably.
  template <class R>
  ChildHandle<R> handle(std::string workflow_id) {
    return ChildHandle<R>(*operations_, std::move(workflow_id));
  }

 private:
  template <class F>
  static std::string CallBody(F& body, StepContext& step) {
    if constexpr (std::is_invocable_v<F&, StepContext&>) {
      return CallAndEncode([&] { return body(step); });
    } else {
      return CallAndEncode(body);
    }
  }
  template <class F>
  static std::string CallAndEncode(F&& call) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      call();
      return "null";
    } else {
      return Encode<std::decay_t<std::invoke_result_t<F&>>>(call());
    }
  }

  detail::Operations* operations_;
};

}  // namespace dbos
