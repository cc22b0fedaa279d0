#include "sidecar/store/replay_store.h"

#include <string>
#include <string_view>
#include <unordered_map>

#include "sidecar/base/status.h"
#include "sidecar/store/step_store.h"

namespace dbos::sidecar {
namespace {

constexpr Query kReadInputs = {
    .name = "read_inputs",
    .args = "",
    .rows = "workflow_id text",
    .sql = R"(
SELECT s.workflow_uuid, COALESCE(p.inputs, s.inputs), s.serialization
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
        "  COALESCE(SUM(64 + COALESCE({octet_length}(o.output), 0) + COALESCE({octet_length}(o.error), 0)) OVER ("
        "   PARTITION BY o.workflow_uuid ORDER BY o.function_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
        "   AS bytes_before"
        " FROM {rows} JOIN {schema}operation_outputs AS o"
        "  ON o.workflow_uuid = i.workflow_id AND o.function_id > i.after_step_id) AS t"
        " WHERE bytes_before < $1 ORDER BY workflow_uuid, function_id",
};

Statement StepsOf(const std::vector<ReplayRequest>& requests, std::int64_t max_bytes_each) {
  Statement statement(kReplaySteps, {max_bytes_each});
  for (const ReplayRequest& request : requests) {
    statement.AddRow({std::string_view(request.workflow_id), std::int64_t{request.after_step_id}});
  }
  return statement;
}

Statement InputsOf(const std::vector<ReplayRequest>& requests) {
  Statement statement(kReadInputs);
  for (const ReplayRequest& request : requests) {
    if (request.after_step_id < 0) statement.AddRow({std::string_view(request.workflow_id)});
  }
  return statement;
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
    if (!rows[n].IsNull(1)) replays.at(rows[n].View(0))->input = Payload{rows[n].Text(1), rows[n].Text(2)};
  }
}

}  // namespace

absl::StatusOr<std::vector<Replay>> LoadReplays(Connection& connection, const std::vector<ReplayRequest>& requests,
                                                std::int64_t max_bytes_each) {
  std::vector<Replay> replays(requests.size());
  ReplaysById by_id;
  for (std::size_t n = 0; n < requests.size(); ++n) {
    replays[n].workflow_id = requests[n].workflow_id;
    replays[n].complete = true;
    by_id[replays[n].workflow_id] = &replays[n];
  }
  if (requests.empty()) return replays;
  std::vector<Statement> statements = {StepsOf(requests, max_bytes_each)};
  if (Statement inputs = InputsOf(requests); inputs.row_count() > 0) statements.push_back(std::move(inputs));
  ASSIGN_OR_RETURN(const std::vector<Result> results, connection.RunBatch(statements));
  TakeSteps(results[0], by_id);
  if (results.size() > 1) TakeInputs(results[1], by_id);
  return replays;
}

std::span<const Query* const> ReplayQueries() {
  static constexpr const Query* kQueries[] = {&kReadInputs, &kReplaySteps};
  return kQueries;
}

}  // namespace dbos::sidecar
