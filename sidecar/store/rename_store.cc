#include "sidecar/store/rename_store.h"

#include <string_view>
#include <vector>

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

// Every text below is over the same rows: those of the old name, if there is one, and those of nobody, if asked.
constexpr char kWho[] = "new_name text, old_name text, adopt boolean";
constexpr char kWhoInRange[] = "new_name text, old_name text, adopt boolean, after text, last text";
constexpr char kWhoAndWhere[] = "old_name text, adopt boolean, after text, skip int4";

constexpr Query kQueues = {
    .name = "rename_queues",
    .args = kWho,
    .rows = "",
    .sql = R"(
UPDATE {schema}queues SET application_name = $1
WHERE application_name = $2 OR ($3 AND application_name IS NULL) RETURNING 1)",
};

constexpr Query kSchedules = {
    .name = "rename_schedules",
    .args = kWho,
    .rows = "",
    .sql = R"(
UPDATE {schema}workflow_schedules SET application_name = $1
WHERE application_name = $2 OR ($3 AND application_name IS NULL) RETURNING 1)",
};

constexpr Query kVersions = {
    .name = "rename_versions",
    .args = kWho,
    .rows = "",
    .sql = R"(
UPDATE {schema}application_versions SET application_name = $1
WHERE application_name = $2 OR ($3 AND application_name IS NULL) RETURNING 1)",
};

constexpr Query kActiveWorkflows = {
    .name = "rename_active_workflows",
    .args = kWho,
    .rows = "",
    .sql = R"(
UPDATE {schema}workflow_status SET application_name = $1
WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED')
  AND (application_name = $2 OR ($3 AND application_name IS NULL)) RETURNING 1)",
};

// The last workflow of a full batch; none when fewer are left.
constexpr Query kWorkflowBatch = {
    .name = "rename_workflow_batch",
    .args = kWhoAndWhere,
    .rows = "",
    .sql = R"(
SELECT workflow_uuid FROM {schema}workflow_status
WHERE (application_name = $1 OR ($2 AND application_name IS NULL)) AND workflow_uuid > $3
ORDER BY workflow_uuid LIMIT 1 OFFSET $4)",
};

constexpr Query kWorkflowRange = {
    .name = "rename_workflow_range",
    .args = kWhoInRange,
    .rows = "",
    .sql = R"(
UPDATE {schema}workflow_status SET application_name = $1
WHERE (application_name = $2 OR ($3 AND application_name IS NULL))
  AND workflow_uuid > $4 AND workflow_uuid <= $5 RETURNING 1)",
};

constexpr Query kRestOfWorkflows = {
    .name = "rename_rest_of_workflows",
    .args = kWho,
    .rows = "",
    .sql = R"(
UPDATE {schema}workflow_status SET application_name = $1
WHERE application_name = $2 OR ($3 AND application_name IS NULL) RETURNING 1)",
};

constexpr Query kStepBatch = {
    .name = "rename_step_batch",
    .args = kWhoAndWhere,
    .rows = "",
    .sql = R"(
SELECT DISTINCT workflow_uuid FROM {schema}operation_outputs
WHERE (application_name = $1 OR ($2 AND application_name IS NULL)) AND workflow_uuid > $3
ORDER BY workflow_uuid LIMIT 1 OFFSET $4)",
};

constexpr Query kStepRange = {
    .name = "rename_step_range",
    .args = kWhoInRange,
    .rows = "",
    .sql = R"(
UPDATE {schema}operation_outputs SET application_name = $1
WHERE (application_name = $2 OR ($3 AND application_name IS NULL))
  AND workflow_uuid > $4 AND workflow_uuid <= $5 RETURNING 1)",
};

constexpr Query kRestOfSteps = {
    .name = "rename_rest_of_steps",
    .args = kWho,
    .rows = "",
    .sql = R"(
UPDATE {schema}operation_outputs SET application_name = $1
WHERE application_name = $2 OR ($3 AND application_name IS NULL) RETURNING 1)",
};

struct Batched {
  const Query& batch;
  const Query& range;
  const Query& rest;
};

std::int64_t Count(const Result& result) {
  return static_cast<std::int64_t>(result.size());
}

Value OldName(const Renaming& renaming) {
  return renaming.from ? Value(std::string_view(*renaming.from)) : Value();
}

std::vector<Value> Who(const Renaming& renaming) {
  return {std::string_view(renaming.to), OldName(renaming), renaming.adopt_unowned};
}

// By ranges of keys, so that nothing is looked at twice. The last statement has no range: what has come in below it
// meanwhile goes too.
absl::StatusOr<std::int64_t> RenameInBatches(Connection& connection, const Renaming& renaming, const Batched& queries) {
  std::int64_t count = 0;
  for (std::string after;;) {
    const Statement find(queries.batch, {OldName(renaming), renaming.adopt_unowned, std::string_view(after),
                                         std::int64_t{renaming.batch_size - 1}});
    ASSIGN_OR_RETURN(const Result end, connection.Execute(find));
    if (end.size() == 0) break;
    const std::string last = end[0].Text(0);
    std::vector<Value> args = Who(renaming);
    args.insert(args.end(), {std::string_view(after), std::string_view(last)});
    ASSIGN_OR_RETURN(const Result renamed, connection.Execute(Statement(queries.range, args)));
    count += Count(renamed);
    after = last;
  }
  ASSIGN_OR_RETURN(const Result rest, connection.Execute(Statement(queries.rest, Who(renaming))));
  return count + Count(rest);
}

}  // namespace

absl::StatusOr<RenamedRows> RenameApplication(Connection& connection, const Renaming& renaming) {
  const std::vector<Statement> together = {Statement(kQueues, Who(renaming)), Statement(kSchedules, Who(renaming)),
                                           Statement(kVersions, Who(renaming)),
                                           Statement(kActiveWorkflows, Who(renaming))};
  ASSIGN_OR_RETURN(const std::vector<Result> results, connection.RunBatch(together));
  RenamedRows rows = {Count(results[0]), Count(results[1]), Count(results[2]), Count(results[3]), 0};
  ASSIGN_OR_RETURN(const std::int64_t workflows,
                   RenameInBatches(connection, renaming, {kWorkflowBatch, kWorkflowRange, kRestOfWorkflows}));
  rows.workflows += workflows;
  ASSIGN_OR_RETURN(rows.steps, RenameInBatches(connection, renaming, {kStepBatch, kStepRange, kRestOfSteps}));
  return rows;
}

std::span<const Query* const> RenameQueries() {
  static constexpr const Query* kQueries[] = {&kQueues,        &kSchedules,     &kVersions,        &kActiveWorkflows,
                                              &kWorkflowBatch, &kWorkflowRange, &kRestOfWorkflows, &kStepBatch,
                                              &kStepRange,     &kRestOfSteps};
  return kQueries;
}

}  // namespace dbos::sidecar
