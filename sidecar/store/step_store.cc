#include "sidecar/store/step_store.h"

#include <utility>

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

// The fence of a step is in its own statement: the join on status and owner locks the row, in id order, and PostgreSQL
// looks at both again after it had to wait. What is not returned did not go in; then the stored row is read and its
// bytes decide (verdicts.cc). Equal times prove nothing: two results of one step can have the same millisecond.
constexpr Query kInsertStep = {
    .name = "insert_step",
    .args = "application_name text",
    .rows =
        "workflow_id text, owner_token text, step_id int4, new_name text, value text, failure text, child_id text,"
        "started_at bigint, completed_at bigint, format text",
    .sql = R"(
INSERT INTO {schema}operation_outputs (workflow_uuid, function_id, function_name, output, error, child_workflow_id,
  started_at_epoch_ms, completed_at_epoch_ms, serialization, application_name, retention_timestamp)
SELECT i.workflow_id, i.step_id, i.new_name, i.value, i.failure, i.child_id, i.started_at, i.completed_at, i.format, $1,
  {now_ms}
FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id
WHERE {pending} AND s.owner_xid = i.owner_token
ORDER BY s.workflow_uuid {lock}
ON CONFLICT (workflow_uuid, function_id) DO NOTHING
RETURNING workflow_uuid, function_id, function_name, completed_at_epoch_ms)",
};

void AddStep(const StepOp& op, Statement& statement) {
  const StepRecord& step = op.step;
  const bool value = step.outcome && step.outcome->kind == Outcome::Kind::kValue;
  const bool failure = step.outcome && step.outcome->kind == Outcome::Kind::kError;
  statement.AddRow({std::string_view(op.execution.workflow_id), std::string_view(op.execution.owner_token),
                    std::int64_t{step.step_id}, std::string_view(step.name),
                    value ? Value(std::string_view(step.outcome->payload.data)) : Value(),
                    failure ? Value(std::string_view(step.outcome->payload.data)) : Value(),
                    NullIfEmpty(step.child_workflow_id), step.started_at_ms, step.completed_at_ms,
                    step.outcome ? NullIfEmpty(step.outcome->payload.serialization) : Value()});
}

}  // namespace

void PlanSteps(const BatchView& view, const Identity& identity, BatchPlan& plan, BatchFacts& facts) {
  Statement statement(kInsertStep, {std::string_view(identity.application_name)});
  for (const StepOp* op : view.steps) AddStep(*op, statement);
  plan.Add(std::move(statement), [&facts](const Result& rows) {
    for (std::size_t n = 0; n < rows.size(); ++n) {
      facts.steps[{rows[n].Text(0), static_cast<std::int32_t>(rows[n].Int(1))}] = {rows[n].Text(2), "", rows[n].Int(3)};
    }
  });
}

namespace {

constexpr Query kReadSteps = {
    .name = "read_steps",
    .args = "",
    .rows = "workflow_id text, step_id int4",
    .sql = "SELECT" DBOS_STEP_COLUMNS
           "FROM {rows} JOIN {schema}operation_outputs AS o"
           " ON o.workflow_uuid = i.workflow_id AND o.function_id = i.step_id",
};

}  // namespace

absl::StatusOr<std::map<StepKey, StepRecord>> ReadSteps(Connection& connection, const std::vector<StepKey>& keys) {
  std::map<StepKey, StepRecord> steps;
  if (keys.empty()) return steps;
  Statement statement(kReadSteps);
  for (const StepKey& key : keys) statement.AddRow({std::string_view(key.first), std::int64_t{key.second}});
  ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement));
  for (std::size_t n = 0; n < rows.size(); ++n) {
    StepRecord step = ReadStepColumns(rows[n]);
    const StepKey key(rows[n].Text(0), step.step_id);
    steps.emplace(key, std::move(step));
  }
  return steps;
}

namespace {

// A page ends with the step that crosses the limit of bytes, as that of a replay does (replay_store.cc).
constexpr Query kListSteps = {
    .name = "list_steps",
    .args = "workflow_id text, after_step_id int4, page bigint, max_bytes bigint",
    .rows = "",
    .sql = "SELECT" DBOS_STEP_COLUMNS
           ", step_count FROM ("
           " SELECT o.*, COUNT(*) OVER () AS step_count,"
           "  COALESCE(SUM(64 + COALESCE(OCTET_LENGTH(o.output), 0) + COALESCE(OCTET_LENGTH(o.error), 0)) OVER ("
           "   ORDER BY o.function_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before"
           " FROM (SELECT * FROM {schema}operation_outputs WHERE workflow_uuid = $1 AND function_id > $2"
           "  ORDER BY function_id LIMIT $3) AS o) AS t"
           " WHERE bytes_before < $4 ORDER BY function_id",
};

}  // namespace

absl::StatusOr<StepPage> ListStepsOf(Connection& connection, const StepFilter& filter) {
  // One more than wanted shows whether more follow.
  const Statement statement(kListSteps, {std::string_view(filter.workflow_id), std::int64_t{filter.after_step_id},
                                         std::int64_t{filter.limit} + 1, filter.max_bytes});
  ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement));
  StepPage page;
  for (std::size_t n = 0; n < rows.size() && n < filter.limit; ++n) page.steps.push_back(ReadStepColumns(rows[n]));
  page.complete = rows.size() == 0 || page.steps.size() == static_cast<std::size_t>(rows[0].Int(9));
  return page;
}

StepRecord ReadStepColumns(const Result::Row& row) {
  StepRecord step;
  step.step_id = static_cast<std::int32_t>(row.Int(1));
  step.name = row.Text(2);
  if (!row.IsNull(4)) {
    step.outcome = Outcome{Outcome::Kind::kError, {row.Text(4), row.Text(8)}};
  } else if (!row.IsNull(3)) {
    step.outcome = Outcome{Outcome::Kind::kValue, {row.Text(3), row.Text(8)}};
  }
  step.child_workflow_id = row.Text(5);
  step.started_at_ms = row.Int(6);
  step.completed_at_ms = row.Int(7);
  return step;
}

std::span<const Query* const> StepQueries() {
  static constexpr const Query* kQueries[] = {&kInsertStep, &kReadSteps, &kListSteps};
  return kQueries;
}

}  // namespace dbos::sidecar
