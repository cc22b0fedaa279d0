#include "sidecar/store/due_store.h"

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

// The names are rows, so SQLite may ask several times: every answer is in order and cut off, the union is ordered and
// cut off once more below. A row without a version is for whoever runs the application's latest version. The status is
// said twice, because SQLite uses a partial index only where its condition stands in the query word for word.
constexpr Query kFindClaimable = {
    .name = "find_claimable",
    .args = "application_name text, version text, page bigint",
    .rows = "wanted_name text",
    .sql = R"(
SELECT s.workflow_uuid, s.priority, s.created_at FROM {schema}workflow_status AS s
WHERE s.queue_name = '_dbos_internal_queue' AND s.status = 'ENQUEUED' AND s.status IN ('ENQUEUED', 'PENDING')
  AND (s.application_name = $1 OR s.application_name IS NULL)
  AND (s.application_version = $2 OR (s.application_version IS NULL AND $2 = COALESCE((
    SELECT v.version_name FROM {schema}application_versions AS v
    WHERE v.application_name = $1 OR v.application_name IS NULL
    ORDER BY v.version_timestamp DESC LIMIT 1), $2)))
  AND EXISTS (SELECT 1 FROM {rows} WHERE i.wanted_name = s.name)
ORDER BY s.priority, s.created_at LIMIT $3)",
};

}  // namespace

absl::StatusOr<std::vector<std::string>> FindClaimableIds(Connection& connection, const Identity& identity,
                                                          const ClaimFilter& filter) {
  std::vector<std::string> ids;
  if (filter.names.empty() || filter.limit <= 0) return ids;
  Statement statement(kFindClaimable, {std::string_view(identity.application_name), std::string_view(filter.version),
                                       std::int64_t{filter.limit}});
  for (const std::string& name : filter.names) statement.AddRow({std::string_view(name)});
  ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement));
  std::vector<std::tuple<std::int64_t, std::int64_t, std::string>> found;
  for (std::size_t n = 0; n < rows.size(); ++n) found.emplace_back(rows[n].Int(1), rows[n].Int(2), rows[n].Text(0));
  std::sort(found.begin(), found.end());
  if (found.size() > static_cast<std::size_t>(filter.limit)) found.resize(static_cast<std::size_t>(filter.limit));
  for (auto& [priority, created_at, id] : found) ids.push_back(std::move(id));
  return ids;
}

namespace {

// Cancelled workflows come in pages, from the first one after (`since`, `after_id`) on.
constexpr std::int64_t kCancelledPage = 1000;

constexpr Query kProbe = {
    .name = "probe",
    .args = "application_name text, executor_id text, since bigint, after_id text, page bigint",
    .rows = "",
    .sql = R"(
SELECT p.now_ms, p.claimable, p.expired, c.workflow_uuid, c.completed_at
FROM (SELECT {now_ms} AS now_ms,
    EXISTS (SELECT 1 FROM {schema}workflow_status AS s
      WHERE s.queue_name = '_dbos_internal_queue' AND s.status = 'ENQUEUED' AND s.status IN ('ENQUEUED', 'PENDING')
        AND (s.application_name = $1 OR s.application_name IS NULL)) AS claimable,
    EXISTS (SELECT 1 FROM {schema}workflow_status AS s
      WHERE s.status IN ('ENQUEUED', 'PENDING', 'DELAYED') AND s.workflow_deadline_epoch_ms IS NOT NULL
        AND s.workflow_deadline_epoch_ms <= {now_ms}
        AND (s.application_name = $1 OR s.application_name IS NULL)) AS expired) AS p
LEFT JOIN (SELECT s.workflow_uuid, s.completed_at FROM {schema}workflow_status AS s
    WHERE s.completed_at >= $3 AND (s.completed_at > $3 OR s.workflow_uuid > $4)
      AND s.status = 'CANCELLED' AND s.executor_id = $2
    ORDER BY s.completed_at, s.workflow_uuid LIMIT $5) AS c ON TRUE
ORDER BY c.completed_at, c.workflow_uuid)",
};

}  // namespace

absl::StatusOr<Due> ProbeDue(Connection& connection, const Identity& identity, const ProbeRequest& request) {
  Due due;
  std::int64_t since_ms = request.cancelled_since_ms;
  std::string after_id;
  while (true) {
    const Statement statement(
        kProbe, {std::string_view(identity.application_name), std::string_view(identity.executor_id), since_ms,
                 std::string_view(after_id), kCancelledPage});
    ASSIGN_OR_RETURN(const Result rows, connection.Execute(statement));
    due.now_ms = rows[0].Int(0);
    due.claimable = rows[0].Bool(1);
    due.expired = rows[0].Bool(2);
    for (std::size_t n = 0; n < rows.size(); ++n) {
      if (!rows[n].IsNull(3)) due.cancelled.push_back(rows[n].Text(3));
    }
    if (rows.size() < static_cast<std::size_t>(kCancelledPage)) return due;
    after_id = rows[rows.size() - 1].Text(3);
    since_ms = rows[rows.size() - 1].Int(4);
  }
}

std::span<const Query* const> DueQueries() {
  static constexpr const Query* kQueries[] = {&kFindClaimable, &kProbe};
  return kQueries;
}

}  // namespace dbos::sidecar
