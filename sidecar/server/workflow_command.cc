// `dbos-sidecar workflow list|get|steps`: a look into the database for people and scripts.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "absl/time/time.h"

#include "sidecar/base/status.h"
#include "sidecar/server/commands.h"
#include "sidecar/server/database.h"
#include "sidecar/server/exit_codes.h"

namespace dbos::sidecar {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

constexpr std::uint32_t kStepsPage = 1000;
constexpr std::int64_t kStepsPageBytes = 16 << 20;
constexpr std::size_t kCellMax = 60;

std::string TimeText(std::int64_t ms) {
  if (ms == 0) return "-";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(ms), absl::UTCTimeZone());
}

std::string Printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
  return text.empty() ? "-" : text;
}

std::string Cell(std::string text) {
  if (text.size() <= kCellMax) return Printable(std::move(text));
  std::size_t end = kCellMax - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // inside a character of UTF-8
  return Printable(text.substr(0, end) + "...");
}

void PrintTable(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::printf("%s\n", line.c_str());
  }
}

void Print(const Json& json) {
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

// A portable value is shown as the JSON it is, any other as its stored text.
Json PayloadJson(const Payload& payload) {
  if (payload.serialization == kPortableJson) {
    Json value = Json::parse(payload.data, nullptr, false);
    if (!value.is_discarded()) return value;
  }
  return {{"serialization", payload.serialization}, {"data", payload.data}};
}

void AddOutcome(const std::optional<Outcome>& outcome, Json& to) {
  if (outcome) to[outcome->kind == Outcome::Kind::kError ? "error" : "output"] = PayloadJson(outcome->payload);
}

Json WorkflowJson(const WorkflowRecord& workflow) {
  Json json = {{"workflow_id", workflow.workflow_id},
               {"status", ToString(workflow.status)},
               {"name", workflow.name},
               {"application_name", workflow.application_name},
               {"application_version", workflow.application_version},
               {"executor_id", workflow.executor_id},
               {"queue_name", workflow.queue_name},
               {"parent_workflow_id", workflow.parent_workflow_id},
               {"recovery_attempts", workflow.recovery_attempts},
               {"created_at", TimeText(workflow.created_at_ms)},
               {"updated_at", TimeText(workflow.updated_at_ms)},
               {"completed_at", TimeText(workflow.completed_at_ms)}};
  if (workflow.deadline_ms != 0) json["deadline"] = TimeText(workflow.deadline_ms);
  if (workflow.input) json["input"] = PayloadJson(*workflow.input);
  AddOutcome(workflow.outcome, json);
  return json;
}

Json StepJson(const StepRecord& step) {
  Json json = {{"step_id", step.step_id},
               {"name", step.name},
               {"started_at", TimeText(step.started_at_ms)},
               {"completed_at", TimeText(step.completed_at_ms)}};
  if (!step.child_workflow_id.empty()) json["child_workflow_id"] = step.child_workflow_id;
  AddOutcome(step.outcome, json);
  return json;
}

std::string OutcomeText(const std::optional<Outcome>& outcome) {
  if (!outcome) return "-";
  return (outcome->kind == Outcome::Kind::kError ? "error " : "") + outcome->payload.data;
}

absl::StatusOr<WorkflowFilter> FilterOf(const WorkflowQuery& query) {
  WorkflowFilter filter;
  filter.name = query.name;
  filter.limit = query.limit;
  for (const std::string& status : query.status) {
    filter.status.push_back(ParseWorkflowStatus(status));
    if (filter.status.back() == WorkflowStatus::kUnknown) {
      return absl::InvalidArgumentError("unknown status \"" + status +
                                        "\": use PENDING, SUCCESS, ERROR, CANCELLED, ENQUEUED, DELAYED or "
                                        "MAX_RECOVERY_ATTEMPTS_EXCEEDED");
    }
  }
  return filter;
}

absl::Status List(Storage& storage, const WorkflowQuery& query) {
  ASSIGN_OR_RETURN(const WorkflowFilter filter, FilterOf(query));
  ASSIGN_OR_RETURN(const auto workflows, storage.ListWorkflows(filter));
  if (query.format == OutputFormat::kJson) {
    Json json = Json::array();
    for (const WorkflowRecord& workflow : workflows) json.push_back(WorkflowJson(workflow));
    Print(json);
    return absl::OkStatus();
  }
  std::vector<Row> rows = {{"WORKFLOW ID", "STATUS", "NAME", "VERSION", "ATTEMPTS", "CREATED"}};
  for (const WorkflowRecord& workflow : workflows) {
    rows.push_back({Cell(workflow.workflow_id), ToString(workflow.status), Cell(workflow.name),
                    Cell(workflow.application_version), std::to_string(workflow.recovery_attempts),
                    TimeText(workflow.created_at_ms)});
  }
  PrintTable(rows);
  return absl::OkStatus();
}

absl::Status Get(Storage& storage, const WorkflowQuery& query) {
  ASSIGN_OR_RETURN(const auto workflow, storage.ReadWorkflow(query.workflow_id));
  if (!workflow) return absl::NotFoundError("there is no workflow with the id \"" + query.workflow_id + "\"");
  const Json json = WorkflowJson(*workflow);
  if (query.format == OutputFormat::kJson) {
    Print(json);
    return absl::OkStatus();
  }
  std::vector<Row> rows;
  for (const auto& [key, value] : json.items()) {
    rows.push_back({key, Printable(value.is_string() ? value.get<std::string>() : value.dump())});
  }
  PrintTable(rows);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StepRecord>> AllSteps(Storage& storage, const std::string& workflow_id) {
  std::vector<StepRecord> all;
  while (true) {
    const std::int32_t after = all.empty() ? -1 : all.back().step_id;
    ASSIGN_OR_RETURN(StepPage page, storage.ListSteps({workflow_id, after, kStepsPage, kStepsPageBytes}));
    std::move(page.steps.begin(), page.steps.end(), std::back_inserter(all));
    if (page.complete) return all;
  }
}

absl::Status Steps(Storage& storage, const WorkflowQuery& query) {
  ASSIGN_OR_RETURN(const auto workflow, storage.ReadWorkflow(query.workflow_id));
  if (!workflow) return absl::NotFoundError("there is no workflow with the id \"" + query.workflow_id + "\"");
  ASSIGN_OR_RETURN(const auto steps, AllSteps(storage, query.workflow_id));
  if (query.format == OutputFormat::kJson) {
    Json json = Json::array();
    for (const StepRecord& step : steps) json.push_back(StepJson(step));
    Print(json);
    return absl::OkStatus();
  }
  std::vector<Row> rows = {{"STEP", "NAME", "COMPLETED", "CHILD", "OUTCOME"}};
  for (const StepRecord& step : steps) {
    rows.push_back({std::to_string(step.step_id), Cell(step.name), TimeText(step.completed_at_ms),
                    Cell(step.child_workflow_id), Cell(OutcomeText(step.outcome))});
  }
  PrintTable(rows);
  return absl::OkStatus();
}

absl::Status Answer(Storage& storage, const WorkflowQuery& query) {
  switch (query.kind) {
    case WorkflowQuery::Kind::kList:
      return List(storage, query);
    case WorkflowQuery::Kind::kGet:
      return Get(storage, query);
    case WorkflowQuery::Kind::kSteps:
      return Steps(storage, query);
  }
  return absl::OkStatus();
}

}  // namespace

int WorkflowCommand(const Config& config, const WorkflowQuery& query) {
  ConfigureLogging(config.log_format, config.log_level);
  if (absl::Status status = RequireDatabase(config); !status.ok()) return Fail(kExitDatabase, status);
  absl::StatusOr<SystemStorage> factory = OpenSystemStorage(config, "dbos-sidecar-workflow-command");
  if (!factory.ok()) return Fail(kExitUsage, factory.status());
  const std::unique_ptr<Storage> storage = (*factory)(StorageRole::kReader);
  const absl::Status status = Answer(*storage, query);
  if (status.ok()) return kExitOk;
  if (absl::IsNotFound(status)) return Fail(kExitFailure, status);
  return Fail(absl::IsInvalidArgument(status) ? kExitUsage : kExitDatabase, status);
}

}  // namespace dbos::sidecar
