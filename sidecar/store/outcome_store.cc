#include "sidecar/store/outcome_store.h"

#include <string_view>
#include <unordered_map>

namespace dbos::sidecar {
namespace {

// The same guard stands in both statements below, and the lock that the first one takes keeps its answer the same: the
// execution owns the workflow, and its last step, if this batch holds one, went in as this execution recorded it.
#define DBOS_MAY_COMPLETE                                                                                              \
  " s.workflow_uuid = i.workflow_id AND {pending} AND s.owner_xid = i.owner_token"                                     \
  " AND (i.after_step_id IS NULL OR EXISTS ("                                                                          \
  "   SELECT 1 FROM {schema}operation_outputs AS o"                                                                    \
  "   WHERE o.workflow_uuid = i.workflow_id AND o.function_id = i.after_step_id"                                       \
  "     AND COALESCE(o.completed_at_epoch_ms, 0) = i.after_completed_at AND o.function_name = COALESCE(i.after_name, " \
  "o.function_name)))"

#define DBOS_COMPLETION_KEY \
  "workflow_id text, owner_token text, after_step_id int4, after_completed_at bigint, after_name text,"

// Before the status, because afterwards nothing tells our completion from another execution's. Locks the rows, in id
// order, for itself and for the status.
constexpr Query kWriteOutcome = {
    .name = "write_outcome",
    .args = "",
    .rows = DBOS_COMPLETION_KEY "value text, failure text",
    .sql =
        "INSERT INTO {schema}workflow_output (workflow_uuid, output, error, retention_timestamp)"
        " SELECT i.workflow_id, i.value, i.failure, {now_ms}"
        " FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id WHERE" DBOS_MAY_COMPLETE
        " ORDER BY s.workflow_uuid {lock}"
        " ON CONFLICT (workflow_uuid) DO UPDATE SET"
        "   output = excluded.output, error = excluded.error, retention_timestamp = excluded.retention_timestamp",
};

// The row's format governs the outcome too, so it follows the outcome's where they differ: a reader that awaits the
// result must be able to decode it.
constexpr Query kComplete = {
    .name = "complete",
    .args = "",
    .rows = DBOS_COMPLETION_KEY "new_status text, format text",
    .sql =
        "UPDATE {schema}workflow_status AS s SET status = i.new_status, updated_at = {now_ms}, completed_at = {now_ms},"
        " deduplication_id = NULL, owner_xid = NULL, serialization = COALESCE(i.format, s.serialization)"
        " FROM {rows} WHERE" DBOS_MAY_COMPLETE " RETURNING workflow_uuid",
};

using StepNames = std::unordered_map<std::string_view, std::string_view>;

// The name of the step that this batch records for each execution; there is at most one.
StepNames NamesOfSteps(const BatchView& view) {
  StepNames names;
  for (const StepOp* op : view.steps) names[op->execution.workflow_id] = op->step.name;
  for (const StartOp* op : view.starts) {
    if (op->parent) names[op->parent->execution.workflow_id] = op->name;
  }
  return names;
}

Value AfterName(const StepNames& names, const CompletionOp& op) {
  const auto found = names.find(op.execution.workflow_id);
  return found == names.end() || !op.after_step_id ? Value() : Value(found->second);
}

}  // namespace

void PlanCompletions(const BatchView& view, BatchPlan& plan, BatchFacts& facts) {
  const StepNames names = NamesOfSteps(view);
  Statement outcomes(kWriteOutcome);
  Statement statuses(kComplete);
  for (const CompletionOp* op : view.completions) {
    const bool value = op->outcome.kind == Outcome::Kind::kValue;
    const Value id = std::string_view(op->execution.workflow_id);
    const Value token = std::string_view(op->execution.owner_token);
    const Value step = op->after_step_id ? Value(std::int64_t{*op->after_step_id}) : Value();
    const Value name = AfterName(names, *op);
    const Value text = std::string_view(op->outcome.payload.data);
    outcomes.AddRow({id, token, step, op->after_completed_at_ms, name, value ? text : Value(), value ? Value() : text});
    statuses.AddRow({id, token, step, op->after_completed_at_ms, name, std::string_view(value ? "SUCCESS" : "ERROR"),
                     NullIfEmpty(op->outcome.payload.serialization)});
  }
  plan.Add(std::move(outcomes));
  plan.Add(std::move(statuses), [&facts](const Result& rows) {
    for (std::size_t n = 0; n < rows.size(); ++n) facts.completed.insert(rows[n].Text(0));
  });
}

std::span<const Query* const> OutcomeQueries() {
  static constexpr const Query* kQueries[] = {&kWriteOutcome, &kComplete};
  return kQueries;
}

}  // namespace dbos::sidecar
