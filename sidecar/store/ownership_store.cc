#include "sidecar/store/ownership_store.h"

#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "sidecar/base/status.h"
#include "sidecar/store/workflow_columns.h"

namespace dbos::sidecar {
namespace {

// Passes over rows that another claimer holds. A row that is PENDING with this claim's token was claimed by our earlier
// try, whose answer was lost: it is claimed, and not counted again.
constexpr Query kClaim = {
    .name = "claim",
    .args = "executor_id text, application_name text",
    .rows = "workflow_id text, new_token text, new_version text",
    .sql =
        "WITH free AS MATERIALIZED ("
        " SELECT s.workflow_uuid AS id, s.status AS old_status, i.new_token, i.new_version"
        " FROM {rows} JOIN {schema}workflow_status AS s ON s.workflow_uuid = i.workflow_id"
        " WHERE (COALESCE(s.status, '') = 'ENQUEUED' AND s.queue_name = '_dbos_internal_queue'"
        "        AND (s.application_name = $2 OR s.application_name IS NULL))"
        "    OR ({pending} AND s.owner_xid = i.new_token)"
        " ORDER BY s.workflow_uuid {skip_locked})"
        " UPDATE {schema}workflow_status AS w SET status = 'PENDING', owner_xid = free.new_token, executor_id = $1,"
        "  application_version = free.new_version, application_name = COALESCE(w.application_name, $2),"
        "  rate_limited = FALSE, updated_at = {now_ms},"
        "  started_at_epoch_ms = CASE WHEN free.old_status = 'ENQUEUED' THEN {now_ms} ELSE w.started_at_epoch_ms END,"
        "  recovery_attempts = COALESCE(w.recovery_attempts, 0) + CASE WHEN free.old_status = 'ENQUEUED' THEN 1 ELSE 0 "
        "END,"
        "  workflow_deadline_epoch_ms = COALESCE(w.workflow_deadline_epoch_ms, {now_ms} + w.workflow_timeout_ms)"
        " FROM free WHERE w.workflow_uuid = free.id"
        " RETURNING" DBOS_WORKFLOW_COLUMNS,
};

}  // namespace

void PlanClaims(const BatchView& view, const Identity& identity, BatchPlan& plan) {
  Statement statement(kClaim, {std::string_view(identity.executor_id), std::string_view(identity.application_name)});
  for (const ClaimOp* op : view.claims) {
    for (const std::string& id : op->workflow_ids) {
      statement.AddRow({std::string_view(id), std::string_view(op->owner_token), NullIfEmpty(op->application_version)});
    }
  }
  for (ClaimOp* op : view.claims) op->claimed.clear();
  plan.Add(std::move(statement), [&view](const Result& rows) {
    std::unordered_map<std::string_view, ClaimOp*> by_token;
    for (ClaimOp* op : view.claims) by_token[op->owner_token] = op;
    for (std::size_t n = 0; n < rows.size(); ++n) {
      WorkflowRecord workflow = ReadWorkflowColumns(rows[n]);
      ClaimOp* op = by_token[workflow.owner_token];
      op->claimed.push_back(std::move(workflow));
    }
  });
}

namespace {

constexpr Query kTakeOver = {
    .name = "take_over",
    .args = "",
    .rows = "workflow_id text, owner_token text, new_token text, attempts bigint",
    .sql = R"(
UPDATE {schema}workflow_status AS s SET owner_xid = i.new_token, updated_at = {now_ms},
  recovery_attempts = COALESCE(s.recovery_attempts, 0) + CASE WHEN s.owner_xid = i.new_token THEN 0 ELSE i.attempts END
FROM {rows}
WHERE s.workflow_uuid = i.workflow_id AND {pending} AND s.owner_xid IN (i.owner_token, i.new_token)
RETURNING workflow_uuid, recovery_attempts)",
};

}  // namespace

void PlanTakeOvers(const BatchView& view, BatchPlan& plan) {
  Statement statement(kTakeOver);
  for (TakeOverOp* op : view.take_overs) {
    op->taken = false;
    statement.AddRow({std::string_view(op->execution.workflow_id), std::string_view(op->execution.owner_token),
                      std::string_view(op->new_token), std::int64_t{op->count_attempt ? 1 : 0}});
  }
  plan.Add(std::move(statement), [&view](const Result& rows) {
    std::unordered_map<std::string, std::int64_t> taken;
    for (std::size_t n = 0; n < rows.size(); ++n) taken[rows[n].Text(0)] = rows[n].Int(1);
    for (TakeOverOp* op : view.take_overs) {
      const auto found = taken.find(op->execution.workflow_id);
      op->taken = found != taken.end();
      if (op->taken) op->recovery_attempts = found->second;
    }
  });
}

namespace {

constexpr Query kHandBack = {
    .name = "hand_back",
    .args = "",
    .rows = "workflow_id text, owner_token text, give_back bigint",
    .sql = R"(
UPDATE {schema}workflow_status AS s SET status = 'ENQUEUED', owner_xid = NULL, started_at_epoch_ms = NULL,
  queue_name = COALESCE(s.queue_name, '_dbos_internal_queue'), updated_at = {now_ms},
  recovery_attempts = CASE WHEN s.recovery_attempts >= i.give_back THEN s.recovery_attempts - i.give_back ELSE 0 END
FROM {rows}
WHERE s.workflow_uuid = i.workflow_id AND {pending} AND s.owner_xid = i.owner_token
RETURNING workflow_uuid)",
};

std::unordered_set<std::string_view> FirstColumn(const Result& rows) {
  std::unordered_set<std::string_view> ids;
  for (std::size_t n = 0; n < rows.size(); ++n) ids.insert(rows[n].View(0));
  return ids;
}

// The row was left as our own earlier try, whose answer was lost, leaves it.
bool LeftAs(const BatchFacts& facts, const std::string& workflow_id, WorkflowStatus status) {
  const auto found = facts.fence.find(workflow_id);
  return found != facts.fence.end() && found->second.status == status && found->second.owner_token.empty();
}

}  // namespace

void PlanHandBacks(const BatchView& view, BatchPlan& plan, const BatchFacts& facts) {
  Statement statement(kHandBack);
  for (const HandBackOp* op : view.hand_backs) {
    statement.AddRow({std::string_view(op->execution.workflow_id), std::string_view(op->execution.owner_token),
                      std::int64_t{op->count_attempt ? 0 : 1}});
  }
  plan.Add(std::move(statement), [&view, &facts](const Result& rows) {
    const auto written = FirstColumn(rows);
    for (HandBackOp* op : view.hand_backs) {
      const std::string& id = op->execution.workflow_id;
      op->handed_back = written.contains(id) || LeftAs(facts, id, WorkflowStatus::kEnqueued);
    }
  });
}

namespace {

constexpr Query kDeadLetter = {
    .name = "dead_letter",
    .args = "",
    .rows = "workflow_id text, owner_token text",
    .sql = R"(
UPDATE {schema}workflow_status AS s SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED', owner_xid = NULL,
  deduplication_id = NULL, started_at_epoch_ms = NULL, queue_name = NULL, updated_at = {now_ms}, completed_at = {now_ms}
FROM {rows}
WHERE s.workflow_uuid = i.workflow_id AND {pending} AND s.owner_xid = i.owner_token
RETURNING workflow_uuid)",
};

}  // namespace

void PlanDeadLetters(const BatchView& view, BatchPlan& plan, const BatchFacts& facts) {
  Statement statement(kDeadLetter);
  for (const DeadLetterOp* op : view.dead_letters) {
    statement.AddRow({std::string_view(op->execution.workflow_id), std::string_view(op->execution.owner_token)});
  }
  plan.Add(std::move(statement), [&view, &facts](const Result& rows) {
    const auto written = FirstColumn(rows);
    for (DeadLetterOp* op : view.dead_letters) {
      const std::string& id = op->execution.workflow_id;
      op->done = written.contains(id) || LeftAs(facts, id, WorkflowStatus::kMaxRecoveryAttemptsExceeded);
    }
  });
}

namespace {

constexpr Query kFindRecoverable = {
    .name = "find_recoverable",
    .args = "executor_id text, application_name text",
    .rows = "",
    .sql = R"(
SELECT workflow_uuid, owner_xid FROM {schema}workflow_status
WHERE status = 'PENDING' AND executor_id = $1 AND (application_name = $2 OR application_name IS NULL))",
};

}  // namespace

absl::StatusOr<std::vector<ExecutionRef>> FindRecoverable(Connection& connection, const Identity& identity) {
  const Statement statement(kFindRecoverable,
                            {std::string_view(identity.executor_id), std::string_view(identity.application_name)});
  ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement));
  std::vector<ExecutionRef> found;
  for (std::size_t n = 0; n < rows.size(); ++n) found.push_back({rows[n].Text(0), rows[n].Text(1)});
  return found;
}

namespace {

// The token is compared with the one that was found, so a row that changed hands since then stays as it is. Rows of
// SDKs before the tokens have none.
constexpr Query kRecover = {
    .name = "recover",
    .args = "",
    .rows = "workflow_id text, owner_token text",
    .sql = R"(
UPDATE {schema}workflow_status AS s SET status = 'ENQUEUED', owner_xid = NULL, started_at_epoch_ms = NULL,
  queue_name = COALESCE(s.queue_name, '_dbos_internal_queue'), updated_at = {now_ms}
FROM {rows}
WHERE s.workflow_uuid = i.workflow_id AND {pending} AND COALESCE(s.owner_xid, '') = i.owner_token
RETURNING workflow_uuid)",
};

}  // namespace

void PlanRecovery(RecoverOp& op, const std::vector<ExecutionRef>& found, BatchPlan& plan) {
  Statement statement(kRecover);
  for (const ExecutionRef& execution : found) {
    statement.AddRow({std::string_view(execution.workflow_id), std::string_view(execution.owner_token)});
  }
  op.recovered.clear();
  plan.Add(std::move(statement), [&op](const Result& rows) {
    for (std::size_t n = 0; n < rows.size(); ++n) op.recovered.push_back(rows[n].Text(0));
  });
}

std::span<const Query* const> OwnershipQueries() {
  static constexpr const Query* kQueries[] = {&kClaim,      &kTakeOver,        &kHandBack,
                                              &kDeadLetter, &kFindRecoverable, &kRecover};
  return kQueries;
}

}  // namespace dbos::sidecar
