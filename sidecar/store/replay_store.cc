#include "sidecar/store/replay_store.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sidecar/base/status.h"
#include "sidecar/store/step_store.h"

namespace dbos::sidecar {
namespace {

constexpr std::int64_t kReadBytes = 16 << 20;

constexpr Query kReplaySizes = {
    .name = "replay_sizes",
    .args = "",
    .rows = "workflow_id text, after_step_id int4",
    .sql = R"(
SELECT i.workflow_id, MAX(CASE WHEN i.after_step_id < 0 THEN OCTET_LENGTH(COALESCE(p.inputs, s.inputs)) END),
  CAST(SUM(64 + COALESCE(OCTET_LENGTH(o.output), 0) + COALESCE(OCTET_LENGTH(o.error), 0)) AS bigint),
  MAX(64 + COALESCE(OCTET_LENGTH(o.output), 0) + COALESCE(OCTET_LENGTH(o.error), 0))
FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id
LEFT JOIN {schema}workflow_input AS p ON p.workflow_uuid = s.workflow_uuid
LEFT JOIN {schema}operation_outputs AS o ON o.workflow_uuid = s.workflow_uuid AND o.function_id > i.after_step_id
GROUP BY i.workflow_id, i.after_step_id)",
};

// A row for each workflow that is still there.
constexpr Query kReadInputs = {
    .name = "read_inputs",
    .args = "",
    .rows = "workflow_id text, after_step_id int4",
    .sql = R"(
SELECT s.workflow_uuid, CASE WHEN i.after_step_id < 0 THEN COALESCE(p.inputs, s.inputs) END, s.serialization
FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id
LEFT JOIN {schema}workflow_input AS p ON p.workflow_uuid = s.workflow_uuid)",
};

// `bytes_before` is what the steps up to this one hold; a page ends with the step that crosses the limit, so it always
// gets on. 64 bytes stand for a row's other columns.
constexpr Query kReplaySteps = {
    .name = "replay_steps",
    .args = "max_bytes bigint",
    .rows = "workflow_id text, after_step_id int4",
    .sql =
        "SELECT" DBOS_STEP_COLUMNS
        ", step_count FROM ("
        " SELECT o.*, COUNT(*) OVER (PARTITION BY o.workflow_uuid) AS step_count,"
        "  COALESCE(SUM(64 + COALESCE(OCTET_LENGTH(o.output), 0) + COALESCE(OCTET_LENGTH(o.error), 0)) OVER ("
        "   PARTITION BY o.workflow_uuid ORDER BY o.function_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
        "   AS bytes_before"
        " FROM {rows} JOIN {schema}operation_outputs AS o"
        "  ON o.workflow_uuid = i.workflow_id AND o.function_id > i.after_step_id) AS t"
        " WHERE bytes_before < $1 ORDER BY workflow_uuid, function_id",
};

using Requests = std::span<const ReplayRequest>;

Statement For(Requests requests, Statement statement) {
  for (const ReplayRequest& request : requests) {
    statement.AddRow({std::string_view(request.workflow_id), std::int64_t{request.after_step_id}});
  }
  return statement;
}

// The requests, from the first on, that one read can hold.
absl::StatusOr<Requests> Fitting(Connection& connection, Requests requests, std::int64_t max_bytes_each) {
  if (requests.size() < 2) return requests;
  ASSIGN_OR_RETURN(const Result rows, connection.Execute(For(requests, Statement(kReplaySizes))));
  std::unordered_map<std::string_view, std::int64_t> sizes;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const std::int64_t largest_step = rows[n].Int(3);
    sizes[rows[n].View(0)] = rows[n].Int(1) + std::min(rows[n].Int(2), max_bytes_each + largest_step);
  }
  std::int64_t bytes = sizes[requests[0].workflow_id];
  std::size_t count = 1;
  while (count < requests.size() && (bytes += sizes[requests[count].workflow_id]) <= kReadBytes) ++count;
  return requests.first(count);
}

using ReplaysById = std::unordered_map<std::string_view, Replay*>;

void TakeSteps(const Result& rows, const ReplaysById& replays) {
  for (std::size_t n = 0; n < rows.size(); ++n) {
    Replay& replay = *replays.at(rows[n].View(0));
    replay.steps.push_back(ReadStepColumns(rows[n]));
    replay.complete = replay.steps.size() == static_cast<std::size_t>(rows[n].Int(9));
  }
}

void TakeInputs(const Result& rows, const ReplaysById& replays) {
  for (std::size_t n = 0; n < rows.size(); ++n) {
    Replay& replay = *replays.at(rows[n].View(0));
    replay.deleted = false;
    if (!rows[n].IsNull(1)) replay.input = Payload{rows[n].Text(1), rows[n].Text(2)};
  }
}

}  // namespace

absl::StatusOr<std::vector<Replay>> LoadReplays(Connection& connection, const std::vector<ReplayRequest>& wanted,
                                                std::int64_t max_bytes_each) {
  ASSIGN_OR_RETURN(const Requests requests, Fitting(connection, wanted, max_bytes_each));
  std::vector<Replay> replays(requests.size());
  ReplaysById by_id;
  for (std::size_t n = 0; n < requests.size(); ++n) {
    replays[n].workflow_id = requests[n].workflow_id;
    replays[n].complete = replays[n].deleted = true;
    by_id[replays[n].workflow_id] = &replays[n];
  }
  if (requests.empty()) return replays;
  // The inputs last: a workflow that is there then had its steps before.
  const std::vector<Statement> statements = {For(requests, Statement(kReplaySteps, {max_bytes_each})),
                                             For(requests, Statement(kReadInputs))};
  ASSIGN_OR_RETURN(const std::vector<Result> results, connection.RunBatch(statements));
  TakeSteps(results[0], by_id);
  TakeInputs(results[1], by_id);
  return replays;
}

std::span<const Query* const> ReplayQueries() {
  static constexpr const Query* kQueries[] = {&kReplaySizes, &kReadInputs, &kReplaySteps};
  return kQueries;
}

}  // namespace dbos::sidecar
