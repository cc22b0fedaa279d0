#include "sidecar/store/start_store.h"

#include <algorithm>

namespace dbos::sidecar {
namespace {

// A conflict leaves the stored row as it is; the update of nothing is there to get it returned. A child is only
// inserted while the parent's execution owns its workflow and has no other step recorded at this place, and it inherits
// the parent's deadline unless it has a timeout of its own. Nothing is looked up for a start without a parent.
// "OFFSET 0": otherwise PostgreSQL 18 answers EXISTS from a hash of the whole table, which it reads for each batch;
// what the writer's settings forbid has no price there any more.
constexpr Query kInsertWorkflow = {
    .name = "insert_workflow",
    .args = "executor_id text, application_name text",
    .rows =
        "workflow_id text, new_name text, run_now boolean, queue text, version text, timeout_ms bigint,"
        "format text, creator_token text, parent_id text, parent_token text, parent_step_id int4",
    .sql = R"(
INSERT INTO {schema}workflow_status (
  workflow_uuid, status, name, authenticated_user, assumed_role, authenticated_roles, executor_id, created_at, updated_at,
  application_version, application_id, recovery_attempts, queue_name, workflow_timeout_ms, workflow_deadline_epoch_ms,
  priority, owner_xid, parent_workflow_id, serialization, application_name, creator_xid)
SELECT i.workflow_id, CASE WHEN i.run_now THEN 'PENDING' ELSE 'ENQUEUED' END, i.new_name, '', '', '[]',
  CASE WHEN i.run_now THEN $1 ELSE '' END, {now_ms}, {now_ms}, i.version, '', CASE WHEN i.run_now THEN 1 ELSE 0 END,
  i.queue, i.timeout_ms,
  CASE WHEN i.timeout_ms IS NOT NULL THEN CASE WHEN i.run_now THEN {now_ms} + i.timeout_ms END
    WHEN i.parent_id IS NOT NULL THEN (
      SELECT p.workflow_deadline_epoch_ms FROM {schema}workflow_status AS p WHERE p.workflow_uuid = i.parent_id) END,
  0, CASE WHEN i.run_now THEN i.creator_token END, i.parent_id, i.format, $2, i.creator_token
FROM {rows}
WHERE i.parent_id IS NULL OR (
  EXISTS (SELECT 1 FROM {schema}workflow_status AS s
    WHERE s.workflow_uuid = i.parent_id AND {pending} AND s.owner_xid = i.parent_token LIMIT 1 OFFSET 0)
  AND NOT EXISTS (SELECT 1 FROM {schema}operation_outputs AS o
    WHERE o.workflow_uuid = i.parent_id AND o.function_id = i.parent_step_id
      AND (o.function_name <> i.new_name OR o.child_workflow_id IS NULL OR o.child_workflow_id <> i.workflow_id)))
ON CONFLICT (workflow_uuid) DO UPDATE SET creator_xid = workflow_status.creator_xid
RETURNING workflow_uuid, name, status, creator_xid, CASE WHEN executor_id = $1 THEN owner_xid END,
  workflow_deadline_epoch_ms)",
};

void PlanWorkflowRows(const std::vector<StartOp*>& starts, const Identity& identity, BatchPlan& plan,
                      BatchFacts& facts) {
  Statement statement(kInsertWorkflow,
                      {std::string_view(identity.executor_id), std::string_view(identity.application_name)});
  for (const StartOp* op : starts) {
    const bool now = op->run == StartOp::Run::kNow;
    const bool child = op->parent.has_value();
    statement.AddRow({std::string_view(op->workflow_id), std::string_view(op->name), now,
                      now ? Value() : Value(std::string_view(op->queue_name)), NullIfEmpty(op->application_version),
                      NullIfZero(op->timeout_ms), std::string_view(op->input.serialization),
                      std::string_view(op->creator_token),
                      child ? Value(std::string_view(op->parent->execution.workflow_id)) : Value(),
                      child ? Value(std::string_view(op->parent->execution.owner_token)) : Value(),
                      child ? Value(std::int64_t{op->parent->step_id}) : Value()});
  }
  plan.Add(std::move(statement), [&facts](const Result& rows) {
    for (std::size_t n = 0; n < rows.size(); ++n) {
      facts.starts[rows[n].Text(0)] = {rows[n].Text(1), ParseWorkflowStatus(rows[n].View(2)), rows[n].Text(3),
                                       rows[n].Text(4), rows[n].Int(5)};
    }
  });
}

// Only the start that created the row writes its input; its own retry finds it there. A workflow that is called as its
// request has no other creator.
constexpr Query kInsertInput = {
    .name = "insert_input",
    .args = "",
    .rows = "workflow_id text, creator_token text, input text",
    .sql = R"(
INSERT INTO {schema}workflow_input (workflow_uuid, inputs, retention_timestamp)
SELECT i.workflow_id, i.input, {now_ms}
FROM {rows}
WHERE i.workflow_id = i.creator_token OR EXISTS (SELECT 1 FROM {schema}workflow_status AS s
  WHERE s.workflow_uuid = i.workflow_id AND s.creator_xid = i.creator_token LIMIT 1 OFFSET 0)
ON CONFLICT (workflow_uuid) DO NOTHING)",
};

void PlanInputs(const std::vector<StartOp*>& starts, BatchPlan& plan) {
  Statement statement(kInsertInput);
  for (const StartOp* op : starts) {
    statement.AddRow(
        {std::string_view(op->workflow_id), std::string_view(op->creator_token), std::string_view(op->input.data)});
  }
  plan.Add(std::move(statement));
}

// The parent's record of the child: no value, therefore no format.
constexpr Query kInsertChildStep = {
    .name = "insert_child_step",
    .args = "application_name text",
    .rows =
        "parent_id text, parent_token text, step_id int4, child_name text, child_id text, started_at bigint,"
        "completed_at bigint",
    .sql = R"(
INSERT INTO {schema}operation_outputs (workflow_uuid, function_id, function_name, child_workflow_id, started_at_epoch_ms,
  completed_at_epoch_ms, application_name, retention_timestamp)
SELECT i.parent_id, i.step_id, i.child_name, i.child_id, i.started_at, i.completed_at, $1, {now_ms}
FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.parent_id
  JOIN {schema}workflow_status AS c ON c.workflow_uuid = i.child_id
WHERE {pending} AND s.owner_xid = i.parent_token AND c.name = i.child_name
ON CONFLICT (workflow_uuid, function_id) DO UPDATE SET function_name = operation_outputs.function_name
RETURNING workflow_uuid, function_id, function_name, child_workflow_id, completed_at_epoch_ms)",
};

void PlanChildSteps(const std::vector<StartOp*>& starts, const Identity& identity, BatchPlan& plan, BatchFacts& facts) {
  Statement statement(kInsertChildStep, {std::string_view(identity.application_name)});
  for (const StartOp* op : starts) {
    if (!op->parent) continue;
    statement.AddRow({std::string_view(op->parent->execution.workflow_id),
                      std::string_view(op->parent->execution.owner_token), std::int64_t{op->parent->step_id},
                      std::string_view(op->name), std::string_view(op->workflow_id), op->parent->started_at_ms,
                      op->parent->completed_at_ms});
  }
  plan.Add(std::move(statement), [&facts](const Result& rows) {
    for (std::size_t n = 0; n < rows.size(); ++n) {
      facts.steps[{rows[n].Text(0), static_cast<std::int32_t>(rows[n].Int(1))}] = {rows[n].Text(2), rows[n].Text(3),
                                                                                   rows[n].Int(4)};
    }
  });
}

}  // namespace

void PlanStarts(const BatchView& view, const Identity& identity, BatchPlan& plan, BatchFacts& facts) {
  std::vector<StartOp*> starts = view.starts;
  // In id order, so that two writers that start the same workflows cannot deadlock.
  std::sort(starts.begin(), starts.end(),
            [](const StartOp* a, const StartOp* b) { return a->workflow_id < b->workflow_id; });
  PlanWorkflowRows(starts, identity, plan, facts);
  PlanInputs(starts, plan);
  PlanChildSteps(starts, identity, plan, facts);
}

std::span<const Query* const> StartQueries() {
  static constexpr const Query* kQueries[] = {&kInsertWorkflow, &kInsertInput, &kInsertChildStep};
  return kQueries;
}

}  // namespace dbos::sidecar
