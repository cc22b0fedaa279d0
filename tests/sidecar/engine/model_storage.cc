#include "tests/sidecar/engine/model_storage.h"

#include <algorithm>

namespace dbos::sidecar {
namespace {

bool Same(const std::optional<Outcome>& a, const std::optional<Outcome>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (a->kind == b->kind && a->payload.data == b->payload.data);
}

}  // namespace

Error ModelStorage::Fence(const ExecutionRef& ref) const {
  auto found = rows.find(ref.workflow_id);
  if (found == rows.end()) return {Reason::kWorkflowNotFound, "no such workflow"};
  const WorkflowRecord& row = found->second.row;
  if (row.status == WorkflowStatus::kCancelled) return {Reason::kWorkflowCancelled, "cancelled"};
  if (IsTerminal(row.status)) return {Reason::kWorkflowTerminal, "terminal"};
  if (row.status != WorkflowStatus::kPending || row.owner_token != ref.owner_token) return {Reason::kFenced, "fenced"};
  return {};
}

void ModelStorage::Start(StartOp& op) {
  if (op.workflow_id == poisoned) {
    op.error = {Reason::kDatabaseError, "poison"};
    return;
  }
  if (op.parent) {
    op.error = Fence(op.parent->execution);
    if (!op.error.ok()) return;
  }
  auto [entry, inserted] = rows.try_emplace(op.workflow_id);
  op.existed = op.look_first && !inserted;
  ModelRow& stored = entry->second;
  if (inserted) {
    stored.creator_token = op.creator_token;
    stored.input = op.input;
    stored.row.workflow_id = op.workflow_id;
    stored.row.name = op.name;
    stored.row.application_version = op.application_version;
    const bool now = op.run == StartOp::Run::kNow;
    stored.row.status = now ? WorkflowStatus::kPending : WorkflowStatus::kEnqueued;
    stored.row.owner_token = now ? op.creator_token : "";
    stored.row.executor_id = now ? executor_id : "";
    stored.row.recovery_attempts = now ? 1 : 0;
  }
  if (stored.row.name != op.name) {
    op.error = {Reason::kWorkflowConflict, "name"};
    return;
  }
  op.created = stored.creator_token == op.creator_token;
  op.status = stored.row.status;
  op.owner_token = stored.row.owner_token;
  if (!op.parent) return;
  StepRecord step{op.parent->step_id,        op.name, std::nullopt, op.workflow_id, op.parent->started_at_ms,
                  op.parent->completed_at_ms};
  rows.at(op.parent->execution.workflow_id).steps.try_emplace(op.parent->step_id, step);
}

void ModelStorage::Step(StepOp& op) {
  auto row = rows.find(op.execution.workflow_id);
  if (row != rows.end() && row->second.steps.contains(op.step.step_id)) {
    // The very same record is there: our own earlier try, whatever became of the workflow since.
    const StepRecord& stored = row->second.steps.at(op.step.step_id);
    const bool repeated = op.outcome_follows && Fence(op.execution).reason == Reason::kWorkflowTerminal;
    const bool same = stored.name == op.step.name && Same(stored.outcome, op.step.outcome) &&
                      (repeated || stored.completed_at_ms == op.step.completed_at_ms);
    op.error = {};
    if (same) return;
  }
  op.error = Fence(op.execution);
  if (!op.error.ok()) return;
  auto [entry, inserted] = row->second.steps.try_emplace(op.step.step_id, op.step);
  if (inserted) return;
  if (entry->second.name != op.step.name) {
    op.error = {Reason::kStepMismatch, "recorded " + entry->second.name + ", offered " + op.step.name};
  } else if (!Same(entry->second.outcome, op.step.outcome)) {
    op.error = {Reason::kStepAlreadyRecorded, "other bytes"};
  }
}

void ModelStorage::Complete(CompletionOp& op) {
  const WorkflowStatus wanted =
      op.outcome.kind == Outcome::Kind::kValue ? WorkflowStatus::kSuccess : WorkflowStatus::kError;
  op.error = Fence(op.execution);
  auto found = rows.find(op.execution.workflow_id);
  if (found != rows.end()) op.status = found->second.row.status;
  if (op.error.reason == Reason::kWorkflowTerminal) {
    op.stored = found->second.row.outcome;
    if (Same(op.stored, op.outcome)) op.error = {};
    return;
  }
  if (!op.error.ok()) return;
  if (op.after_step_id) {
    auto step = found->second.steps.find(*op.after_step_id);
    if (step == found->second.steps.end() || step->second.completed_at_ms != op.after_completed_at_ms) {
      op.error = {Reason::kPrecedingOperationFailed, "the step before was refused"};
      return;
    }
  }
  found->second.row.status = op.status = wanted;
  found->second.row.outcome = op.outcome;
  found->second.row.owner_token.clear();
  ++completions[op.execution.workflow_id];
}

void ModelStorage::Claim(ClaimOp& op) {
  op.claimed.clear();
  for (const std::string& id : op.workflow_ids) {
    auto found = rows.find(id);
    if (found == rows.end()) continue;
    WorkflowRecord& row = found->second.row;
    const bool retry = row.status == WorkflowStatus::kPending && row.owner_token == op.owner_token;
    if (row.status != WorkflowStatus::kEnqueued && !retry) continue;
    if (!retry) ++row.recovery_attempts;
    row.status = WorkflowStatus::kPending;
    row.owner_token = op.owner_token;
    row.executor_id = executor_id;
    row.application_version = op.application_version;
    op.claimed.push_back(row);
  }
}

void ModelStorage::HandBack(HandBackOp& op) {
  op.handed_back = Fence(op.execution).ok();
  if (!op.handed_back) return;
  ++handed_back;
  WorkflowRecord& row = rows.at(op.execution.workflow_id).row;
  row.status = WorkflowStatus::kEnqueued;
  row.owner_token.clear();
  if (!op.count_attempt) --row.recovery_attempts;
}

void ModelStorage::Adopt(AdoptOp& op) const {
  auto found = rows.find(op.execution.workflow_id);
  if (found == rows.end()) return;
  op.status = found->second.row.status;
  op.owned = Fence(op.execution).ok();
  op.workflow = found->second.row;
}

absl::Status ModelStorage::Commit(Batch& batch, const Meanwhile& /*meanwhile*/) {
  for (RecoverOp& op : batch.recoveries) {
    op.recovered.clear();
    for (auto& [id, stored] : rows) {
      const bool skip =
          std::any_of(op.except.begin(), op.except.end(), [&id = id, &stored = stored](const ExecutionRef& ref) {
            return ref.workflow_id == id && ref.owner_token == stored.row.owner_token;
          });
      if (skip || stored.row.status != WorkflowStatus::kPending || stored.row.executor_id != executor_id) continue;
      stored.row.status = WorkflowStatus::kEnqueued;
      stored.row.owner_token.clear();
      op.recovered.push_back(id);
    }
  }
  for (AdoptOp& op : batch.adoptions) Adopt(op);
  for (RegisterVersionOp& op : batch.versions) latest_version = op.version_name;
  for (StartOp& op : batch.starts) Start(op);
  for (StepOp& op : batch.steps) Step(op);
  for (CompletionOp& op : batch.completions) Complete(op);
  for (TakeOverOp& op : batch.take_overs) {
    auto found = rows.find(op.execution.workflow_id);
    const bool retry = Fence({op.execution.workflow_id, op.new_token}).ok();
    op.taken = retry || Fence(op.execution).ok();
    if (!op.taken) continue;
    found->second.row.owner_token = op.new_token;
    op.recovery_attempts = found->second.row.recovery_attempts += retry || !op.count_attempt ? 0 : 1;
  }
  for (HandBackOp& op : batch.hand_backs) HandBack(op);
  for (ClaimOp& op : batch.claims) Claim(op);
  for (DeadLetterOp& op : batch.dead_letters) {
    op.done = Fence(op.execution).ok();
    if (op.done) rows.at(op.execution.workflow_id).row.status = WorkflowStatus::kMaxRecoveryAttemptsExceeded;
  }
  for (CancelOp& op : batch.cancels) {
    auto found = rows.find(op.workflow_id);
    if (found != rows.end() && !IsTerminal(found->second.row.status)) {
      found->second.row.status = WorkflowStatus::kCancelled;
      found->second.row.owner_token.clear();
    }
  }
  for (ExpireOp& op : batch.expirations) op.expired = expired_ids;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ModelStorage::FindClaimable(const ClaimFilter& filter) {
  std::vector<std::string> ids;
  for (const auto& [id, stored] : rows) {
    const WorkflowRecord& row = stored.row;
    const bool named = std::find(filter.names.begin(), filter.names.end(), row.name) != filter.names.end();
    const bool version = row.application_version == filter.version ||
                         (row.application_version.empty() && filter.version == latest_version);
    if (row.status == WorkflowStatus::kEnqueued && named && version) ids.push_back(id);
    if (static_cast<std::int32_t>(ids.size()) == filter.limit) break;
  }
  return ids;
}

absl::StatusOr<Due> ModelStorage::Probe(const ProbeRequest&) {
  Due due;
  for (const auto& [id, stored] : rows) due.claimable |= stored.row.status == WorkflowStatus::kEnqueued;
  due.expired = !expired_ids.empty();
  due.cancelled = cancelled_ids;
  return due;
}

absl::StatusOr<std::vector<Replay>> ModelStorage::LoadReplay(const std::vector<ReplayRequest>& requests, std::int64_t) {
  std::vector<Replay> replays;
  for (const ReplayRequest& request : requests) {
    if (static_cast<std::int64_t>(replays.size()) == replay_read_max) break;
    auto found = rows.find(request.workflow_id);
    if (found == rows.end()) {
      replays.push_back(
          {.workflow_id = request.workflow_id, .input = {}, .steps = {}, .complete = true, .deleted = true});
      continue;
    }
    Replay replay{request.workflow_id, found->second.input, {}, true, false};
    for (auto step = found->second.steps.upper_bound(request.after_step_id); step != found->second.steps.end();
         ++step) {
      if (static_cast<std::int64_t>(replay.steps.size()) == replay_page_steps) {
        replay.complete = false;
        break;
      }
      replay.steps.push_back(step->second);
    }
    replays.push_back(std::move(replay));
  }
  return replays;
}

absl::StatusOr<std::vector<WorkflowRecord>> ModelStorage::ReadOutcomes(const std::vector<std::string>& ids) {
  std::vector<WorkflowRecord> found;
  for (const std::string& id : ids) {
    if (rows.contains(id)) found.push_back(rows.at(id).row);
  }
  return found;
}

absl::StatusOr<std::optional<WorkflowRecord>> ModelStorage::ReadWorkflow(const std::string& id) {
  if (!rows.contains(id)) return std::nullopt;
  return rows.at(id).row;
}

absl::StatusOr<std::vector<WorkflowRecord>> ModelStorage::ListWorkflows(const WorkflowFilter&) {
  std::vector<WorkflowRecord> all;
  for (const auto& [id, stored] : rows) all.push_back(stored.row);
  return all;
}

absl::StatusOr<StepPage> ModelStorage::ListSteps(const StepFilter& filter) {
  StepPage page{.steps = {}, .complete = true};
  for (const auto& [step_id, step] : rows.at(filter.workflow_id).steps) page.steps.push_back(step);
  return page;
}

}  // namespace dbos::sidecar
