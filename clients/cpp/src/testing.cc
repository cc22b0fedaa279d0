#include <map>
#include <optional>
#include <utility>

#include <dbos/testing.h>

#include "error_records.h"
#include "ids.h"
#include "retry.h"

namespace dbos::testing {

using runtime::StoredOutcome;

namespace {

// A concurrent step of a unit test: it ran when it was called.
class FinishedStep final : public detail::AsyncStep {
 public:
  explicit FinishedStep(StoredOutcome outcome) : outcome_(std::move(outcome)) {}
  std::string Get() override { return runtime::ValueOfStep(outcome_); }
  void Join() noexcept override {}

 private:
  StoredOutcome outcome_;
};

[[noreturn]] void ThrowNoDatabase(std::string_view name) {
  throw Error("there is no database in a unit test: say what " + std::string(name) +
              " gives with WorkflowTest::returns or fails, or answer its SQL with WorkflowTest::on_sql");
}

// What a transaction of a unit test talks to: the test's own function.
class FakeConnection final : public detail::SqlConnection {
 public:
  explicit FakeConnection(const FakeSql& sql) : sql_(sql) {}
  void Defer(std::string_view sql, const SqlParams& params) override { sql_(sql, params); }
  Rows Query(std::string_view sql, const SqlParams& params) override { return sql_(sql, params); }
  RowsPage OpenCursor(std::string_view sql, const SqlParams& params, std::uint32_t /*page_rows*/) override {
    return {.rows = sql_(sql, params)};
  }
  RowsPage Fetch(std::uint64_t /*cursor*/, std::uint32_t /*page_rows*/) override { return {}; }
  void Savepoint(detail::SavepointAction /*action*/) override {}

 private:
  const FakeSql& sql_;
};

}  // namespace

// Records in memory what the runtime records through the sidecar.
class WorkflowTest::Memory final : public detail::Operations, public runtime::AttemptWorld {
 public:
  explicit Memory(std::string workflow_id) : workflow_id_(std::move(workflow_id)) {}

  const std::string& workflow_id() const override { return workflow_id_; }
  std::stop_token stop_token() const override { return stop_.get_token(); }

  std::string RunStep(std::string_view name, const StepOptions& options, const detail::StepBody& body) override {
    return runtime::ValueOfStep(Run(name, options, body));
  }
  std::shared_ptr<detail::AsyncStep> StartStep(std::string_view name, StepOptions options,
                                               detail::StepBody body) override {
    CheckCall();
    return std::make_shared<FinishedStep>(Run(name, options, body));
  }
  std::string RunTransaction(std::string_view name, const TransactionOptions& options,
                             const detail::TransactionBody& body) override {
    static_cast<void>(options);
    CheckCall();
    return runtime::ValueOfStep(Run(name, {}, [&](StepContext& /*step*/) -> std::string {
      if (sql_ == nullptr) ThrowNoDatabase(name);
      FakeConnection connection(sql_);
      Transaction transaction(connection);
      return body(transaction);
    }));
  }
  std::string RunSql(std::string_view name, std::string_view sql, const SqlParams& params,
                     const TransactionOptions& options) override {
    static_cast<void>(options);
    CheckCall();
    return runtime::ValueOfStep(Run(name, {}, [&](StepContext& /*step*/) {
      if (sql_ == nullptr) ThrowNoDatabase(name);
      return Encode(sql_(sql, params));
    }));
  }
  std::string StartChild(std::string_view name, const StartOptions& options, std::string /*input*/) override {
    CheckCall();
    StepInfo& step = NewStep(name);
    step.child_workflow_id =
        options.workflow_id.empty() ? workflow_id_ + "-" + std::to_string(step.step_id) : options.workflow_id;
    children_[step.child_workflow_id] = std::string(name);
    return step.child_workflow_id;
  }
  std::string AwaitChild(const std::string& child_id) override {
    CheckCall();
    const auto child = children_.find(child_id);
    const std::string name = child == children_.end() ? child_id : child->second;
    const auto stub = stubs_.find(name);
    if (stub == stubs_.end()) throw Error("say what workflow " + name + " gives: WorkflowTest::returns or fails");
    StepInfo& step = NewStep("DBOS.getResult");
    step.child_workflow_id = child_id;
    return runtime::ValueOfWorkflow(child_id, Settle(step, stub->second));
  }

  std::stop_token Stop() const override { return stop_.get_token(); }
  void Pause(std::chrono::milliseconds /*wait*/) override { ThrowIfCancelled(); }
  std::shared_ptr<void> StopAfter(std::chrono::milliseconds /*timeout*/, std::stop_source /*source*/) override {
    return nullptr;
  }
  double Random() override { return 0.0; }

  void Stub(std::string_view name, StoredOutcome outcome) { stubs_[std::string(name)] = std::move(outcome); }
  void OnSql(FakeSql sql) { sql_ = std::move(sql); }
  void Cancel() { stop_.request_stop(); }
  const std::vector<StepInfo>& steps() const { return steps_; }

 private:
  void ThrowIfCancelled() const {
    if (stop_.stop_requested()) throw WorkflowCancelled("Workflow " + workflow_id_ + " has been cancelled");
  }
  void CheckCall() const {
    ThrowIfCancelled();
    if (in_step_ != nullptr) runtime::ThrowCalledInStep();
  }
  StepInfo& NewStep(std::string_view name) {
    StepInfo& step = steps_.emplace_back();
    step.step_id = static_cast<std::int32_t>(steps_.size()) - 1;
    step.name = name;
    step.started_at_ms = runtime::NowMs();
    return step;
  }
  StoredOutcome Run(std::string_view name, const StepOptions& options, const detail::StepBody& body) {
    if (in_step_ != nullptr) return {.failed = false, .text = body(*in_step_)};
    ThrowIfCancelled();
    runtime::CheckStepOptions(name, options);
    const std::int32_t step_id = NewStep(name).step_id;
    const auto stub = stubs_.find(std::string(name));
    if (stub != stubs_.end()) return Settle(steps_[static_cast<std::size_t>(step_id)], stub->second);
    const detail::StepBody inside = [&](StepContext& step) {
      in_step_ = &step;
      const std::shared_ptr<void> leave(nullptr, [this](void*) { in_step_ = nullptr; });
      return body(step);
    };
    const StoredOutcome outcome = runtime::RunAttempts({workflow_id_, step_id, name, options}, inside, *this);
    return Settle(steps_[static_cast<std::size_t>(step_id)], outcome);
  }
  static const StoredOutcome& Settle(StepInfo& step, const StoredOutcome& outcome) {
    step.completed_at_ms = runtime::NowMs();
    if (outcome.failed) {
      step.error = runtime::DecodeRecord(outcome.text);
    } else {
      step.output = outcome.text;
    }
    return outcome;
  }

  const std::string workflow_id_;
  std::stop_source stop_;
  FakeSql sql_;
  StepContext* in_step_ = nullptr;
  std::vector<StepInfo> steps_;
  std::map<std::string, StoredOutcome> stubs_;
  std::map<std::string, std::string> children_;  // id to name
};

WorkflowTest::WorkflowTest(std::string workflow_id)
    : memory_(std::make_unique<Memory>(std::move(workflow_id))), context_(*memory_) {
}
WorkflowTest::~WorkflowTest() = default;

Context& WorkflowTest::context() {
  return context_;
}
void WorkflowTest::fails(std::string_view name, const ErrorRecord& error) {
  memory_->Stub(name, runtime::FailedWith(error));
}
void WorkflowTest::on_sql(FakeSql answer) {
  memory_->OnSql(std::move(answer));
}
void WorkflowTest::cancel() {
  memory_->Cancel();
}
std::vector<StepInfo> WorkflowTest::steps() const {
  return memory_->steps();
}
void WorkflowTest::ReturnText(std::string_view name, std::string text) {
  memory_->Stub(name, {.failed = false, .text = std::move(text)});
}

}  // namespace dbos::testing
