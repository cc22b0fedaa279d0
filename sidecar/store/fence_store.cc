#include "sidecar/store/fence_store.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "absl/strings/str_cat.h"

#include "sidecar/store/workflow_columns.h"

namespace dbos::sidecar {
namespace {

constexpr Query kFence = {
    .name = "fence",
    .args = "",
    .rows = "workflow_id text",
    .sql = R"(
SELECT s.workflow_uuid, s.status, s.owner_xid
FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id
ORDER BY s.workflow_uuid {lock})",
};

using Ids = std::set<std::string_view>;

// Rows that a statement without a lock of its own writes, or reads to decide what it writes.
Ids IdsToLockFirst(const BatchView& view) {
  Ids ids;
  for (const StartOp* op : view.starts) {
    if (op->parent) ids.insert(op->parent->execution.workflow_id);
    if (op->look_first) ids.insert(op->workflow_id);
  }
  for (const TakeOverOp* op : view.take_overs) ids.insert(op->execution.workflow_id);
  for (const HandBackOp* op : view.hand_backs) ids.insert(op->execution.workflow_id);
  for (const DeadLetterOp* op : view.dead_letters) ids.insert(op->execution.workflow_id);
  for (const AdoptOp* op : view.adoptions) ids.insert(op->execution.workflow_id);
  return ids;
}

// Steps lock their rows themselves, and so do outcomes. If one of these statements takes all the locks, no fence is
// needed; otherwise it takes every lock of the batch, so that there is one order.
Ids ConcernedIds(const BatchView& view) {
  Ids steps;
  Ids outcomes;
  for (const StepOp* op : view.steps) steps.insert(op->execution.workflow_id);
  for (const CompletionOp* op : view.completions) outcomes.insert(op->execution.workflow_id);
  Ids ids = IdsToLockFirst(view);
  const bool outcomes_behind_steps = std::includes(steps.begin(), steps.end(), outcomes.begin(), outcomes.end());
  if (ids.empty() && (steps.empty() || outcomes_behind_steps)) return ids;
  ids.merge(steps);
  ids.merge(outcomes);
  return ids;
}

const FenceRow* Find(const BatchFacts& facts, const std::string& workflow_id) {
  const auto found = facts.fence.find(workflow_id);
  return found == facts.fence.end() ? nullptr : &found->second;
}

}  // namespace

void PlanFence(const BatchView& view, BatchPlan& plan, BatchFacts& facts) {
  Statement statement(kFence);
  for (const std::string_view id : ConcernedIds(view)) statement.AddRow({id});
  plan.Add(std::move(statement), [&facts](const Result& rows) {
    for (std::size_t n = 0; n < rows.size(); ++n) {
      facts.fence[rows[n].Text(0)] = {ParseWorkflowStatus(rows[n].View(1)), rows[n].Text(2)};
    }
  });
}

namespace {

// The fence has locked these rows already.
constexpr Query kAdopt = {
    .name = "adopt",
    .args = "",
    .rows = "workflow_id text",
    .sql = "SELECT" DBOS_WORKFLOW_COLUMNS
           "FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id",
};

}  // namespace

void PlanAdoptions(const BatchView& view, BatchPlan& plan) {
  Statement statement(kAdopt);
  std::set<std::string_view> ids;
  for (const AdoptOp* op : view.adoptions) ids.insert(op->execution.workflow_id);
  for (const std::string_view id : ids) statement.AddRow({id});
  plan.Add(std::move(statement), [&view](const Result& rows) {
    for (std::size_t n = 0; n < rows.size(); ++n) {
      const WorkflowRecord workflow = ReadWorkflowColumns(rows[n]);
      for (AdoptOp* op : view.adoptions) {
        if (op->execution.workflow_id != workflow.workflow_id) continue;
        op->status = workflow.status;
        op->owned = workflow.status == WorkflowStatus::kPending && workflow.owner_token == op->execution.owner_token;
        if (op->owned) op->workflow = workflow;
      }
    }
  });
}

bool Owned(const BatchFacts& facts, const ExecutionRef& execution) {
  const FenceRow* row = Find(facts, execution.workflow_id);
  return row != nullptr && row->status == WorkflowStatus::kPending && row->owner_token == execution.owner_token;
}

Error RefusalOf(const BatchFacts& facts, const ExecutionRef& execution) {
  if (Owned(facts, execution)) return {};
  const FenceRow* row = Find(facts, execution.workflow_id);
  const std::string workflow = absl::StrCat("workflow \"", execution.workflow_id, "\"");
  if (row == nullptr) return {Reason::kWorkflowNotFound, absl::StrCat(workflow, " does not exist")};
  if (row->status == WorkflowStatus::kCancelled) {
    return {Reason::kWorkflowCancelled, absl::StrCat(workflow, " was cancelled")};
  }
  if (IsTerminal(row->status)) {
    return {Reason::kWorkflowTerminal, absl::StrCat(workflow, " has ended already, as ", ToString(row->status))};
  }
  return {Reason::kFenced, absl::StrCat(workflow, " is no longer owned by this execution; its status is ",
                                        ToString(row->status), ". Stop this execution: another one carries on")};
}

std::span<const Query* const> FenceQueries() {
  static constexpr const Query* kQueries[] = {&kFence, &kAdopt};
  return kQueries;
}

}  // namespace dbos::sidecar
