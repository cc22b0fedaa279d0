#include "sidecar/store/batch_view.h"

#include <map>
#include <string>
#include <utility>

namespace dbos::sidecar {
namespace {

template <typename Op>
void Point(std::vector<Op>& ops, std::vector<Op*>& pointers) {
  pointers.reserve(ops.size());
  for (Op& op : ops) pointers.push_back(&op);
}

// One view each.
template <typename Op>
void Separate(const std::vector<Op*>& ops, std::vector<Op*> BatchView::*member, std::vector<BatchView>& views) {
  for (Op* op : ops) {
    views.emplace_back();
    (views.back().*member).push_back(op);
  }
}

}  // namespace

BatchView ViewOf(Batch& batch) {
  BatchView view;
  Point(batch.starts, view.starts);
  Point(batch.steps, view.steps);
  Point(batch.completions, view.completions);
  Point(batch.claims, view.claims);
  Point(batch.take_overs, view.take_overs);
  Point(batch.hand_backs, view.hand_backs);
  Point(batch.dead_letters, view.dead_letters);
  Point(batch.cancels, view.cancels);
  Point(batch.expirations, view.expirations);
  Point(batch.recoveries, view.recoveries);
  Point(batch.versions, view.versions);
  Point(batch.adoptions, view.adoptions);
  return view;
}

std::vector<BatchView> SplitByExecution(const BatchView& view) {
  std::vector<BatchView> views;
  Separate(view.adoptions, &BatchView::adoptions, views);
  Separate(view.versions, &BatchView::versions, views);
  Separate(view.recoveries, &BatchView::recoveries, views);
  std::map<std::string, BatchView> executions;
  for (StartOp* op : view.starts) {
    executions[op->parent ? op->parent->execution.workflow_id : op->workflow_id].starts.push_back(op);
  }
  for (StepOp* op : view.steps) executions[op->execution.workflow_id].steps.push_back(op);
  for (CompletionOp* op : view.completions) executions[op->execution.workflow_id].completions.push_back(op);
  for (TakeOverOp* op : view.take_overs) executions[op->execution.workflow_id].take_overs.push_back(op);
  for (HandBackOp* op : view.hand_backs) executions[op->execution.workflow_id].hand_backs.push_back(op);
  for (DeadLetterOp* op : view.dead_letters) executions[op->execution.workflow_id].dead_letters.push_back(op);
  for (auto& [id, execution] : executions) views.push_back(std::move(execution));
  Separate(view.claims, &BatchView::claims, views);
  Separate(view.cancels, &BatchView::cancels, views);
  Separate(view.expirations, &BatchView::expirations, views);
  return views;
}

bool CanBeRefused(const BatchView& view) {
  return !view.starts.empty() || !view.steps.empty() || !view.completions.empty() || !view.versions.empty();
}

void Refuse(const BatchView& view, const Error& error) {
  for (StartOp* op : view.starts) op->error = error;
  for (StepOp* op : view.steps) op->error = error;
  for (CompletionOp* op : view.completions) op->error = error;
  for (RegisterVersionOp* op : view.versions) op->error = error;
}

}  // namespace dbos::sidecar
