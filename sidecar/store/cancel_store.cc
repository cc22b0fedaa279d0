#include "sidecar/store/cancel_store.h"

#include <set>
#include <string_view>

namespace dbos::sidecar {
namespace {

// A second cancel changes nothing, not even the time.
constexpr Query kCancel = {
    .name = "cancel",
    .args = "",
    .rows = "workflow_id text",
    .sql = R"(
UPDATE {schema}workflow_status AS s SET status = 'CANCELLED', owner_xid = NULL, queue_name = NULL,
  deduplication_id = NULL, started_at_epoch_ms = NULL, updated_at = {now_ms}, completed_at = {now_ms}
FROM {rows}
WHERE s.workflow_uuid = i.workflow_id AND s.status NOT IN ('SUCCESS', 'ERROR', 'CANCELLED'))",
};

}  // namespace

void PlanCancels(const BatchView& view, BatchPlan& plan) {
  Statement statement(kCancel);
  std::set<std::string_view> ids;
  for (const CancelOp* op : view.cancels) ids.insert(op->workflow_id);
  for (const std::string_view id : ids) statement.AddRow({id});
  plan.Add(std::move(statement));
}

namespace {

constexpr Query kExpire = {
    .name = "expire",
    .args = "application_name text",
    .rows = "",
    .sql = R"(
WITH due AS MATERIALIZED (
  SELECT s.workflow_uuid AS id FROM {schema}workflow_status AS s
  WHERE s.status IN ('ENQUEUED', 'PENDING', 'DELAYED') AND s.workflow_deadline_epoch_ms IS NOT NULL
    AND s.workflow_deadline_epoch_ms <= {now_ms} AND (s.application_name = $1 OR s.application_name IS NULL)
  ORDER BY s.workflow_deadline_epoch_ms LIMIT 1000 {skip_locked})
UPDATE {schema}workflow_status AS w SET status = 'CANCELLED', owner_xid = NULL, queue_name = NULL,
  deduplication_id = NULL, started_at_epoch_ms = NULL, updated_at = {now_ms}, completed_at = {now_ms}
FROM due WHERE w.workflow_uuid = due.id
RETURNING workflow_uuid)",
};

}  // namespace

void PlanExpirations(const BatchView& view, const Identity& identity, BatchPlan& plan) {
  for (ExpireOp* op : view.expirations) {
    op->expired.clear();
    plan.Add(Statement(kExpire, {std::string_view(identity.application_name)}), [op](const Result& rows) {
      for (std::size_t n = 0; n < rows.size(); ++n) op->expired.push_back(rows[n].Text(0));
    });
  }
}

std::span<const Query* const> CancelQueries() {
  static constexpr const Query* kQueries[] = {&kCancel, &kExpire};
  return kQueries;
}

}  // namespace dbos::sidecar
