#include "sidecar/store/workflow_reads.h"

#include <array>
#include <string_view>
#include <utility>

#include "sidecar/base/status.h"
#include "sidecar/store/workflow_columns.h"

namespace dbos::sidecar {
namespace {

// Positions of the payloads behind DBOS_WORKFLOW_COLUMNS.
constexpr std::size_t kOutput = kWorkflowColumnCount;
constexpr std::size_t kError = kWorkflowColumnCount + 1;
constexpr std::size_t kInput = kWorkflowColumnCount + 2;

WorkflowRecord ReadWithOutcome(const Result::Row& row) {
  WorkflowRecord workflow = ReadWorkflowColumns(row);
  if (workflow.status == WorkflowStatus::kSuccess && !row.IsNull(kOutput)) {
    workflow.outcome = Outcome{Outcome::Kind::kValue, {row.Text(kOutput), ReadSerialization(row)}};
  }
  if (workflow.status == WorkflowStatus::kError && !row.IsNull(kError)) {
    workflow.outcome = Outcome{Outcome::Kind::kError, {row.Text(kError), ReadSerialization(row)}};
  }
  return workflow;
}

WorkflowRecord ReadWithPayloads(const Result::Row& row) {
  WorkflowRecord workflow = ReadWithOutcome(row);
  if (!row.IsNull(kInput)) workflow.input = Payload{row.Text(kInput), ReadSerialization(row)};
  return workflow;
}

// Rows that SDKs before version 109 wrote have their payloads in workflow_status itself. The payload tables' columns
// get other names, so that the column list stays unambiguous.
#define DBOS_OUTCOME_JOIN                                                                   \
  " LEFT JOIN (SELECT workflow_uuid AS output_id, output AS new_output, error AS new_error" \
  " FROM {schema}workflow_output) AS r ON r.output_id = s.workflow_uuid"
#define DBOS_INPUT_JOIN                                                                                  \
  " LEFT JOIN (SELECT workflow_uuid AS input_id, inputs AS new_inputs FROM {schema}workflow_input) AS p" \
  " ON p.input_id = s.workflow_uuid"
#define DBOS_OUTCOME_COLUMNS ", COALESCE(new_output, output), COALESCE(new_error, error)"

constexpr Query kReadOutcomes = {
    .name = "read_outcomes",
    .args = "",
    .rows = "workflow_id text",
    .sql = "SELECT" DBOS_WORKFLOW_COLUMNS DBOS_OUTCOME_COLUMNS
           " FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id" DBOS_OUTCOME_JOIN,
};

}  // namespace

absl::StatusOr<std::vector<WorkflowRecord>> ReadOutcomesOf(Connection& connection,
                                                           const std::vector<std::string>& workflow_ids) {
  std::vector<WorkflowRecord> workflows;
  if (workflow_ids.empty()) return workflows;
  Statement statement(kReadOutcomes);
  for (const std::string& id : workflow_ids) statement.AddRow({std::string_view(id)});
  ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement));
  for (std::size_t n = 0; n < rows.size(); ++n) workflows.push_back(ReadWithOutcome(rows[n]));
  return workflows;
}

namespace {

constexpr Query kReadWorkflow = {
    .name = "read_workflow",
    .args = "workflow_id text",
    .rows = "",
    .sql = "SELECT" DBOS_WORKFLOW_COLUMNS DBOS_OUTCOME_COLUMNS
           ", COALESCE(new_inputs, inputs)"
           " FROM {schema}workflow_status AS s" DBOS_OUTCOME_JOIN DBOS_INPUT_JOIN " WHERE s.workflow_uuid = $1",
};

}  // namespace

absl::StatusOr<std::optional<WorkflowRecord>> ReadWorkflowById(Connection& connection, const std::string& workflow_id) {
  const Statement statement(kReadWorkflow, {std::string_view(workflow_id)});
  ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement));
  if (rows.size() == 0) return std::optional<WorkflowRecord>();
  return std::make_optional(ReadWithPayloads(rows[0]));
}

namespace {

// There are seven statuses, and as many places for them.
constexpr std::array kAllStatuses = {WorkflowStatus::kPending,  WorkflowStatus::kSuccess,
                                     WorkflowStatus::kError,    WorkflowStatus::kCancelled,
                                     WorkflowStatus::kEnqueued, WorkflowStatus::kMaxRecoveryAttemptsExceeded,
                                     WorkflowStatus::kDelayed};

#define DBOS_LIST_ARGS                                                                                         \
  "application_name text, status1 text, status2 text, status3 text, status4 text, status5 text, status6 text," \
  "status7 text, name text, prefix text, version text, with_outcome boolean, with_input boolean, page bigint," \
  "skip bigint, max_bytes bigint"
#define DBOS_BYTES(value) "COALESCE(OCTET_LENGTH(" value "), 0)"
#define DBOS_OUTPUT "COALESCE(new_output, output)"
#define DBOS_ERROR "COALESCE(new_error, error)"
#define DBOS_INPUT "COALESCE(new_inputs, inputs)"
// The page is chosen first, with the sizes of its payloads alone, and they are read as far as they are wanted.
#define DBOS_LIST_SQL(direction) \
  "SELECT" DBOS_WORKFLOW_COLUMNS ", CASE WHEN $12 THEN " DBOS_OUTPUT " END, CASE WHEN $12 THEN " DBOS_ERROR        \
  " END, CASE WHEN $13 THEN " DBOS_INPUT                                                                           \
  " END FROM (SELECT page_id, SUM(bytes) OVER (ORDER BY page_time" direction ", page_id" direction                 \
  " ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before FROM (SELECT s.workflow_uuid AS page_id,"                    \
  " s.created_at AS page_time, CASE WHEN $12 THEN " DBOS_BYTES(DBOS_OUTPUT) " + " DBOS_BYTES(DBOS_ERROR)           \
  " ELSE 0 END + CASE WHEN $13 THEN " DBOS_BYTES(DBOS_INPUT) " ELSE 0 END AS bytes"                                \
  " FROM {schema}workflow_status AS s" DBOS_OUTCOME_JOIN DBOS_INPUT_JOIN                                           \
  " WHERE (s.application_name = $1 OR s.application_name IS NULL)"                                                 \
  " AND s.status IN ($2, $3, $4, $5, $6, $7, $8)"                                                                  \
  " AND ($9 IS NULL OR s.name = $9) AND ($10 IS NULL OR SUBSTR(s.workflow_uuid, 1, LENGTH($10)) = $10)"            \
  " AND ($11 IS NULL OR s.application_version = $11)"                                                              \
  " ORDER BY s.created_at" direction ", s.workflow_uuid" direction " LIMIT $14 OFFSET $15) AS page) AS cut"        \
  " JOIN {schema}workflow_status AS s ON s.workflow_uuid = cut.page_id" DBOS_OUTCOME_JOIN DBOS_INPUT_JOIN          \
  " WHERE cut.bytes_before < $16 ORDER BY s.created_at" direction ", s.workflow_uuid" direction

constexpr Query kListOldestFirst = {
    .name = "list_oldest_first",
    .args = DBOS_LIST_ARGS,
    .rows = "",
    .sql = DBOS_LIST_SQL(""),
};

constexpr Query kListNewestFirst = {
    .name = "list_newest_first",
    .args = DBOS_LIST_ARGS,
    .rows = "",
    .sql = DBOS_LIST_SQL(" DESC"),
};

}  // namespace

absl::StatusOr<std::vector<WorkflowRecord>> ListWorkflowsOf(Connection& connection, const Identity& identity,
                                                            const WorkflowFilter& filter) {
  std::vector<Value> args = {std::string_view(identity.application_name)};
  for (std::size_t n = 0; n < kAllStatuses.size(); ++n) {
    const bool chosen = !filter.status.empty();
    const WorkflowStatus status = chosen ? filter.status[n % filter.status.size()] : kAllStatuses[n];
    args.emplace_back(std::string_view(ToString(status)));
  }
  args.insert(args.end(), {NullIfEmpty(filter.name), NullIfEmpty(filter.workflow_id_prefix),
                           NullIfEmpty(filter.application_version), filter.with_outcome, filter.with_input,
                           std::int64_t{filter.limit}, std::int64_t{filter.offset}, filter.max_bytes});
  const Statement statement(filter.oldest_first ? kListOldestFirst : kListNewestFirst, std::move(args));
  ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement));
  std::vector<WorkflowRecord> workflows;
  for (std::size_t n = 0; n < rows.size(); ++n) workflows.push_back(ReadWithPayloads(rows[n]));
  return workflows;
}

std::span<const Query* const> WorkflowQueries() {
  static constexpr const Query* kQueries[] = {&kReadOutcomes, &kReadWorkflow, &kListOldestFirst, &kListNewestFirst};
  return kQueries;
}

}  // namespace dbos::sidecar
