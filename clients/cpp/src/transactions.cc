// Transactions of a workflow: what Context::transaction and Context::sql do. The record of one is written by the
// sidecar, in the transaction's own commit, so the journal sends nothing for it.
#include <utility>

#include <dbos/transaction.h>

#include "execution.h"
#include "ids.h"
#include "protocol_errors.h"
#include "sql_wire.h"
#include "transaction_run.h"

namespace dbos::runtime {
namespace {

constexpr std::chrono::milliseconds kSessionCheck{100};
constexpr std::chrono::milliseconds kAfterLoss{20};

// A workflow stops its transactions, waits for the session of its app, and has the limits that the sidecar told.
class StepWorld final : public TransactionWorld {
 public:
  StepWorld(Execution& execution, Session& session) : execution_(execution), session_(session) {}

  std::stop_token Stop() const override { return execution_.Stop(); }
  void Pause(std::chrono::milliseconds wait) override { execution_.journal().Pause(wait); }
  double Random() override { return execution_.Random(); }
  // The session may not have noticed yet that its sidecar is gone, so there is a pause in any case.
  void AwaitSidecar() override {
    do {
      execution_.journal().Pause(kAfterLoss);
    } while (!session_.WaitReady(std::chrono::steady_clock::now() + kSessionCheck));
  }
  void Refused(const v1::ErrorDetail& refusal) override {
    execution_.journal().StopRefused(refusal);
    execution_.journal().ThrowIfStopped();
  }
  std::size_t max_message_bytes() const override { return session_.max_message_bytes(); }
  std::size_t max_payload_bytes() const override { return session_.max_payload_bytes(); }

 private:
  Execution& execution_;
  Session& session_;
};

}  // namespace

std::string Execution::RunTransaction(std::string_view name, const TransactionOptions& options,
                                      const detail::TransactionBody& body) {
  CheckCall("transaction", name);
  CheckTransactionOptions("transaction " + std::string(name), options);
  return RunSqlStep(name, options, [&body](StepRun& run) { return run.Run(body); });
}

std::string Execution::RunSql(std::string_view name, std::string_view sql, const SqlParams& params,
                              const TransactionOptions& options) {
  CheckCall("statement", name);
  CheckTransactionOptions("statement " + std::string(name), options);
  v1::SqlStatement statement;
  EncodeStatement(sql, params, 0, statement);
  return RunSqlStep(name, options, [&statement](StepRun& run) { return run.Execute(statement); });
}

std::string Execution::RunSqlStep(std::string_view name, const TransactionOptions& options,
                                  const std::function<StepRun::Result(StepRun&)>& run) {
  const std::int32_t step_id = next_step_++;
  if (const v1::StepRecord* recorded = TakeRecorded(step_id, name)) return ValueOfStep(OutcomeOf(recorded->outcome()));
  journal_->WaitDurable(journal_->Flush());
  v1::TransactionStep step;
  *step.mutable_execution() = ref_;
  step.set_step_id(step_id);
  step.set_name(name.data(), name.size());
  step.set_started_at_ms(NowMs());
  StepWorld world(*this, services_.session);
  const TransactionCall call{.door = services_.sql, .name = name, .options = options, .step = step};
  StepRun step_run(call, world);
  const StepRun::Result result = run(step_run);
  if (!result.recorded) RecordStep(step_id, name, result.outcome, step.started_at_ms());
  return ValueOfStep(result.outcome);
}

}  // namespace dbos::runtime
