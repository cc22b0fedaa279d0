#include "sidecar/store/database_storage.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/ids.h"
#include "sidecar/base/status.h"
#include "sidecar/store/cancel_store.h"
#include "sidecar/store/due_store.h"
#include "sidecar/store/fence_store.h"
#include "sidecar/store/outcome_store.h"
#include "sidecar/store/ownership_store.h"
#include "sidecar/store/replay_store.h"
#include "sidecar/store/start_store.h"
#include "sidecar/store/step_store.h"
#include "sidecar/store/verdicts.h"
#include "sidecar/store/version_store.h"
#include "sidecar/store/workflow_reads.h"

namespace dbos::sidecar {
namespace {

// A commit that the server has cut off so often, and for longer than the patience, is not tried again.
constexpr int kCutOffMax = 5;

// Executions that stay: the listed ones, and those that this very batch makes, which an earlier try of it may have
// written already.
std::set<std::pair<std::string, std::string>> Exceptions(const BatchView& view) {
  std::set<std::pair<std::string, std::string>> except;
  for (const RecoverOp* op : view.recoveries) {
    for (const ExecutionRef& execution : op->except) except.emplace(execution.workflow_id, execution.owner_token);
  }
  for (const StartOp* op : view.starts) except.emplace(op->workflow_id, op->creator_token);
  for (const TakeOverOp* op : view.take_overs) except.emplace(op->execution.workflow_id, op->new_token);
  for (const ClaimOp* op : view.claims) {
    for (const std::string& id : op->workflow_ids) except.emplace(id, op->owner_token);
  }
  return except;
}

// Read before the transaction, because the exceptions are a list and SQLite has no lists; the transaction checks again.
absl::StatusOr<std::vector<ExecutionRef>> Recoverable(Connection& connection, const Identity& identity,
                                                      const BatchView& view) {
  if (view.recoveries.empty()) return std::vector<ExecutionRef>();
  ASSIGN_OR_RETURN(std::vector<ExecutionRef> found, FindRecoverable(connection, identity));
  const auto except = Exceptions(view);
  found.erase(std::remove_if(found.begin(), found.end(),
                             [&](const ExecutionRef& execution) {
                               return except.contains({execution.workflow_id, execution.owner_token});
                             }),
              found.end());
  return found;
}

}  // namespace

// The statements of a batch, who reads their results, and what the statements borrow.
struct DatabaseStorage::Transaction {
  BatchView view;
  std::vector<std::string> version_ids;  // of the versions of `view`, should they be new
  std::vector<ExecutionRef> recoverable;
  BatchPlan plan;
  BatchFacts facts;
};

DatabaseStorage::DatabaseStorage(std::unique_ptr<Connection> connection, Identity identity,
                                 LegacyPayloads legacy_payloads, absl::Duration cut_off_patience)
    : connection_(std::move(connection)),
      identity_(std::move(identity)),
      legacy_payloads_(legacy_payloads),
      cut_off_patience_(cut_off_patience) {
}

DatabaseStorage::~DatabaseStorage() = default;

absl::Status DatabaseStorage::Commit(Batch& batch, const Meanwhile& meanwhile) {
  if (batch.empty()) return absl::OkStatus();
  BatchView view = ViewOf(batch);
  const auto sent = sent_ != nullptr && sent_->view == view ? std::exchange(sent_, nullptr) : nullptr;
  absl::Status done = sent == nullptr ? CommitView(view, meanwhile) : Finish(*sent, meanwhile);
  if (!absl::IsDeadlineExceeded(done)) {
    cut_off_ = 0;
  } else if (cut_off_++ == 0) {
    cut_off_since_ = absl::Now();
  }
  return done;
}

void DatabaseStorage::Send(Batch& batch) {
  if (batch.empty() || !batch.recoveries.empty()) return;  // a recovery reads first
  absl::StatusOr<std::unique_ptr<Transaction>> transaction = Plan(ViewOf(batch));
  if (!transaction.ok()) return;
  sent_ = *std::move(transaction);
  connection_->SendBatch(sent_->plan.statements());
}

absl::Status DatabaseStorage::CommitView(const BatchView& view, const Meanwhile& meanwhile) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Transaction> transaction, Plan(view));
  return Finish(*transaction, meanwhile);
}

absl::StatusOr<std::unique_ptr<DatabaseStorage::Transaction>> DatabaseStorage::Plan(BatchView of) {
  auto transaction = std::make_unique<Transaction>();
  transaction->view = std::move(of);
  const BatchView& view = transaction->view;
  ASSIGN_OR_RETURN(transaction->recoverable, Recoverable(*connection_, identity_, view));
  for (std::size_t n = 0; n < view.versions.size(); ++n) transaction->version_ids.push_back(RandomUuid());
  BatchPlan& plan = transaction->plan;
  BatchFacts& facts = transaction->facts;
  // Before the fence reads: an execution that is recovered owns nothing any more in this very batch.
  for (RecoverOp* op : view.recoveries) PlanRecovery(*op, transaction->recoverable, plan);
  PlanFence(view, plan, facts);
  PlanAdoptions(view, plan);
  PlanVersions(view, identity_, transaction->version_ids, plan);
  PlanStarts(view, identity_, plan, facts);
  PlanSteps(view, identity_, plan, facts);
  PlanCompletions(view, plan, facts);
  if (legacy_payloads_ == LegacyPayloads::kOn) PlanLegacyPayloads(view, plan);
  PlanTakeOvers(view, plan);
  PlanHandBacks(view, plan, facts);
  PlanClaims(view, identity_, plan);
  PlanDeadLetters(view, plan, facts);
  PlanCancels(view, plan);
  PlanExpirations(view, identity_, plan);
  return transaction;
}

absl::Status DatabaseStorage::Finish(Transaction& transaction, const Meanwhile& meanwhile) {
  const BatchView& view = transaction.view;
  const absl::StatusOr<std::vector<Result>> results = connection_->RunBatch(transaction.plan.statements(), meanwhile);
  if (!results.ok()) {
    const bool alone = IsRefusedData(results.status()) || absl::IsDeadlineExceeded(results.status());
    return alone ? CommitOneByOne(view, results.status()) : results.status();
  }
  transaction.plan.Read(*results);
  BatchView again;
  RETURN_IF_ERROR(JudgeBatch(*connection_, view, transaction.facts, again));
  return again.completions.empty() ? absl::OkStatus() : CommitView(again, {});
}

// One operation is poisoned and nothing was written: every execution gets a transaction of its own, so that only the
// poisoned one fails. What takes the server too long may be the fault of its load, or of a lock: it waits like in any
// outage, and is poison only when that does not end.
absl::Status DatabaseStorage::CommitOneByOne(const BatchView& view, const absl::Status& refusal) {
  const std::vector<BatchView> views = SplitByExecution(view);
  if (views.size() == 1) {
    if (absl::IsDeadlineExceeded(refusal) && (!CanBeRefused(view) || !IsCutOffForGood())) return refusal;
    Refuse(view, {Reason::kDatabaseError, absl::StrCat("the database refused this operation: ", Message(refusal))});
    return absl::OkStatus();
  }
  absl::Status cut_off;
  for (const BatchView& one : views) {
    absl::Status done = CommitView(one, {});
    if (!absl::IsDeadlineExceeded(done)) {
      RETURN_IF_ERROR(done);
    } else {
      cut_off = std::move(done);
    }
  }
  return cut_off;
}

bool DatabaseStorage::IsCutOffForGood() const {
  return cut_off_ >= kCutOffMax && absl::Now() - cut_off_since_ >= cut_off_patience_;
}

absl::StatusOr<std::vector<std::string>> DatabaseStorage::FindClaimable(const ClaimFilter& filter) {
  return FindClaimableIds(*connection_, identity_, filter);
}

absl::StatusOr<Due> DatabaseStorage::Probe(const ProbeRequest& request) {
  return ProbeDue(*connection_, identity_, request);
}

absl::StatusOr<std::vector<Replay>> DatabaseStorage::LoadReplay(const std::vector<ReplayRequest>& requests,
                                                                std::int64_t max_bytes_each) {
  return LoadReplays(*connection_, requests, max_bytes_each);
}

absl::StatusOr<std::vector<WorkflowRecord>> DatabaseStorage::ReadOutcomes(
    const std::vector<std::string>& workflow_ids) {
  return ReadOutcomesOf(*connection_, workflow_ids);
}

absl::StatusOr<std::optional<WorkflowRecord>> DatabaseStorage::ReadWorkflow(const std::string& workflow_id) {
  return ReadWorkflowById(*connection_, workflow_id);
}

absl::StatusOr<std::vector<WorkflowRecord>> DatabaseStorage::ListWorkflows(const WorkflowFilter& filter) {
  return ListWorkflowsOf(*connection_, identity_, filter);
}

absl::StatusOr<StepPage> DatabaseStorage::ListSteps(const StepFilter& filter) {
  return ListStepsOf(*connection_, filter);
}

}  // namespace dbos::sidecar
