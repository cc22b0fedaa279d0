#include "sidecar/store/verdicts.h"

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/store/fence_store.h"
#include "sidecar/store/step_store.h"
#include "sidecar/store/workflow_reads.h"

namespace dbos::sidecar {

Error StepMismatch(const StepKey& key, const std::string& stored, const std::string& ran) {
  return {
      Reason::kStepMismatch,
      absl::StrCat("step ", key.second, " of workflow \"", key.first, "\" is recorded as \"", stored,
                   "\", but this execution ran \"", ran,
                   "\" there: the code is not deterministic, or it was changed while workflows of the old code were "
                   "unfinished. Keep the order of steps, or give changed code a new application version")};
}

namespace {

using StoredSteps = std::map<StepKey, StepRecord>;
using StoredWorkflows = std::unordered_map<std::string, WorkflowRecord>;

StepKey KeyOf(const StepOp& op) {
  return {op.execution.workflow_id, op.step.step_id};
}
StepKey KeyOf(const StartOp& op) {
  return {op.parent->execution.workflow_id, op.parent->step_id};
}

bool SameOutcome(const std::optional<Outcome>& a, const std::optional<Outcome>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->kind == b->kind && a->payload.data == b->payload.data;
}

Error AlreadyRecorded(const StepKey& key) {
  return {Reason::kStepAlreadyRecorded,
          absl::StrCat("step ", key.second, " of workflow \"", key.first,
                       "\" was recorded twice by the same execution with different results. Check that the workflow is "
                       "deterministic and that no two steps share a number")};
}

Error Conflict(const StartOp& op, const std::string& stored) {
  return {Reason::kWorkflowConflict, absl::StrCat("workflow id \"", op.workflow_id, "\" belongs to a workflow named \"",
                                                  stored, "\" and cannot start \"", op.name, "\"; choose another id")};
}

// The step went in now.
bool Recorded(const StepOp& op, const BatchFacts& facts) {
  return facts.steps.contains(KeyOf(op));
}

// Lets this execution's completion go ahead after a step that is stored under another time.
void HoldOn(const BatchView& view, const StepKey& key, std::int64_t stored_ms, BatchView& again) {
  for (CompletionOp* completion : view.completions) {
    if (completion->execution.workflow_id != key.first || completion->after_step_id != key.second) continue;
    if (completion->after_completed_at_ms == stored_ms) continue;
    completion->after_completed_at_ms = stored_ms;
    again.completions.push_back(completion);
  }
}

// The execution owns its workflow, yet the step is not there: whatever that means, it is not durable.
Error NotStored(const StepKey& key) {
  return {Reason::kDatabaseError,
          absl::StrCat("step ", key.second, " of workflow \"", key.first, "\" was written but is not stored")};
}

void JudgeStep(StepOp& op, const StepRecord* stored, const BatchFacts& facts) {
  Error& error = op.error;
  error = RefusalOf(facts, op.execution);
  if (stored == nullptr) {
    if (error.ok()) error = NotStored(KeyOf(op));
    return;
  }
  const bool same = stored->name == op.step.name && SameOutcome(stored->outcome, op.step.outcome);
  const bool owned = error.ok();
  // A caller that leaves the time to us sends the same completion with another time when it repeats it.
  const bool repeated = op.outcome_follows && error.reason == Reason::kWorkflowTerminal;
  if (same && (owned || repeated || stored->completed_at_ms == op.step.completed_at_ms)) {
    error = {};
  } else if (owned) {
    error =
        stored->name == op.step.name ? AlreadyRecorded(KeyOf(op)) : StepMismatch(KeyOf(op), stored->name, op.step.name);
    if (error.reason == Reason::kStepAlreadyRecorded) op.stored = stored->outcome;
  }
}

void JudgeSteps(const BatchView& view, const BatchFacts& facts, const StoredSteps& stored, BatchView& again) {
  for (StepOp* op : view.steps) {
    op->error = {};
    op->stored = {};
    if (Recorded(*op, facts)) continue;
    const auto found = stored.find(KeyOf(*op));
    JudgeStep(*op, found == stored.end() ? nullptr : &found->second, facts);
    if (op->error.ok() && Owned(facts, op->execution)) HoldOn(view, KeyOf(*op), found->second.completed_at_ms, again);
  }
}

void Accept(StartOp& op, const StartRow& row) {
  op.created = row.creator_token == op.creator_token;
  op.status = row.status;
  op.owner_token = row.owner_token;
  op.deadline_ms = row.deadline_ms;
}

// A child that was not inserted: the parent lost its workflow, or has another step at this place. Our own earlier try
// may have inserted it all the same.
void JudgeRefusedChild(StartOp& op, const StoredSteps& steps, const StoredWorkflows& workflows,
                       const BatchFacts& facts) {
  op.error = RefusalOf(facts, op.parent->execution);
  const auto step = steps.find(KeyOf(op));
  if (step == steps.end()) {
    if (op.error.ok()) op.error = NotStored(KeyOf(op));
    return;
  }
  const bool same = step->second.name == op.name && step->second.child_workflow_id == op.workflow_id;
  if (same && (op.error.ok() || step->second.completed_at_ms == op.parent->completed_at_ms)) {
    const auto child = workflows.find(op.workflow_id);
    if (child == workflows.end()) {
      if (op.error.ok()) op.error = NotStored(KeyOf(op));
      return;
    }
    op.error = {};
    op.status = child->second.status;
    op.owner_token = child->second.owner_token;
    op.deadline_ms = child->second.deadline_ms;
    op.created = op.owner_token == op.creator_token;
  } else if (op.error.ok()) {
    op.error =
        step->second.name == op.name ? AlreadyRecorded(KeyOf(op)) : StepMismatch(KeyOf(op), step->second.name, op.name);
  }
}

void JudgeStarts(const BatchView& view, const BatchFacts& facts, const StoredSteps& steps,
                 const StoredWorkflows& workflows, BatchView& again) {
  for (StartOp* op : view.starts) {
    op->error = {};
    op->existed = op->look_first && facts.fence.contains(op->workflow_id);
    const auto row = facts.starts.find(op->workflow_id);
    if (row == facts.starts.end()) {
      JudgeRefusedChild(*op, steps, workflows, facts);
      continue;
    }
    if (row->second.name != op->name) {
      op->error = Conflict(*op, row->second.name);
      continue;
    }
    Accept(*op, row->second);
    if (!op->parent) continue;
    const auto step = facts.steps.find(KeyOf(*op));
    if (step != facts.steps.end()) HoldOn(view, KeyOf(*op), step->second.completed_at_ms, again);
  }
}

void JudgeCompletion(CompletionOp& op, const BatchFacts& facts, const StoredWorkflows& workflows) {
  op.error = {};
  op.stored.reset();
  op.status = op.outcome.kind == Outcome::Kind::kValue ? WorkflowStatus::kSuccess : WorkflowStatus::kError;
  if (facts.completed.contains(op.execution.workflow_id)) return;
  op.error = RefusalOf(facts, op.execution);
  if (op.error.ok()) {
    op.status = WorkflowStatus::kPending;
    op.error = {Reason::kPrecedingOperationFailed, "the execution's last step was refused, so it did not complete"};
    return;
  }
  const auto fence = facts.fence.find(op.execution.workflow_id);
  op.status = fence == facts.fence.end() ? WorkflowStatus::kUnknown : fence->second.status;
  const auto stored = workflows.find(op.execution.workflow_id);
  if (op.error.reason != Reason::kWorkflowTerminal || stored == workflows.end()) return;
  if (SameOutcome(stored->second.outcome, op.outcome)) {
    op.error = {};  // our own earlier try
  } else {
    op.stored = stored->second.outcome;
  }
}

// Steps whose stored value decides the verdict.
std::vector<StepKey> DoubtfulSteps(const BatchView& view, const BatchFacts& facts) {
  std::vector<StepKey> keys;
  for (const StepOp* op : view.steps) {
    if (!Recorded(*op, facts)) keys.push_back(KeyOf(*op));
  }
  for (const StartOp* op : view.starts) {
    if (!facts.starts.contains(op->workflow_id)) keys.push_back(KeyOf(*op));
  }
  return keys;
}

std::vector<std::string> DoubtfulWorkflows(const BatchView& view, const BatchFacts& facts) {
  std::vector<std::string> ids;
  for (const StartOp* op : view.starts) {
    if (!facts.starts.contains(op->workflow_id)) ids.push_back(op->workflow_id);
  }
  for (const StepOp* op : view.steps) {
    if (!Recorded(*op, facts) && !facts.fence.contains(op->execution.workflow_id)) {
      ids.push_back(op->execution.workflow_id);
    }
  }
  for (const CompletionOp* op : view.completions) {
    if (!facts.completed.contains(op->execution.workflow_id)) ids.push_back(op->execution.workflow_id);
  }
  return ids;
}

// Who owns the workflows that the fence left out.
void AddOwners(const StoredWorkflows& workflows, BatchFacts& facts) {
  for (const auto& [id, workflow] : workflows)
    facts.fence.try_emplace(id, FenceRow{workflow.status, workflow.owner_token});
}

}  // namespace

absl::Status JudgeBatch(Connection& connection, const BatchView& view, BatchFacts& facts, BatchView& again) {
  ASSIGN_OR_RETURN(const StoredSteps steps, ReadSteps(connection, DoubtfulSteps(view, facts)));
  ASSIGN_OR_RETURN(std::vector<WorkflowRecord> records, ReadOutcomesOf(connection, DoubtfulWorkflows(view, facts)));
  StoredWorkflows workflows;
  for (WorkflowRecord& record : records) workflows[record.workflow_id] = std::move(record);
  JudgeStarts(view, facts, steps, workflows, again);
  AddOwners(workflows, facts);
  JudgeSteps(view, facts, steps, again);
  for (CompletionOp* op : view.completions) JudgeCompletion(*op, facts, workflows);
  return absl::OkStatus();
}

}  // namespace dbos::sidecar
