#include "sidecar/store/version_store.h"

#include <string_view>
#include <unordered_map>

#include "absl/strings/str_cat.h"

namespace dbos::sidecar {
namespace {

constexpr Query kAdoptVersion = {
    .name = "adopt_version",
    .args = "application_name text",
    .rows = "new_version text",
    .sql = R"(
UPDATE {schema}application_versions AS v SET application_name = $1
FROM {rows} WHERE v.version_name = i.new_version AND v.application_name IS NULL)",
};

// No conflict target: the constraint on the name alone is announced to go.
constexpr Query kInsertVersion = {
    .name = "insert_version",
    .args = "application_name text",
    .rows = "new_id text, new_version text",
    .sql = R"(
INSERT INTO {schema}application_versions (version_id, version_name, version_timestamp, created_at, application_name)
SELECT i.new_id, i.new_version, {now_ms}, {now_ms}, $1 FROM {rows} WHERE TRUE ON CONFLICT DO NOTHING)",
};

constexpr Query kVersionOwner = {
    .name = "version_owner",
    .args = "application_name text",
    .rows = "new_version text",
    .sql = R"(
SELECT v.version_name, v.application_name
FROM {rows} JOIN {schema}application_versions AS v ON v.version_name = i.new_version
ORDER BY CASE WHEN v.application_name = $1 THEN 1 ELSE 0 END)",
};

void Judge(RegisterVersionOp& op, const std::string& owner, const Identity& identity) {
  if (owner == identity.application_name) return;
  op.error = {Reason::kVersionConflict,
              absl::StrCat("the version name \"", op.version_name, "\" belongs to application \"", owner,
                           "\"; version names are unique across a database, so use one that begins with the "
                           "application's name, such as \"",
                           identity.application_name, "-", op.version_name, "\"")};
}

}  // namespace

void PlanVersions(const BatchView& view, const Identity& identity, const std::vector<std::string>& ids,
                  BatchPlan& plan) {
  const Value application = std::string_view(identity.application_name);
  Statement adopt(kAdoptVersion, {application});
  Statement insert(kInsertVersion, {application});
  Statement owner(kVersionOwner, {application});
  for (std::size_t n = 0; n < view.versions.size(); ++n) {
    const Value name = std::string_view(view.versions[n]->version_name);
    adopt.AddRow({name});
    insert.AddRow({std::string_view(ids[n]), name});
    owner.AddRow({name});
  }
  plan.Add(std::move(adopt));
  plan.Add(std::move(insert));
  plan.Add(std::move(owner), [&view, &identity](const Result& rows) {
    std::unordered_map<std::string, std::string> owners;  // ours comes last, where it exists
    for (std::size_t n = 0; n < rows.size(); ++n) owners[rows[n].Text(0)] = rows[n].Text(1);
    for (RegisterVersionOp* op : view.versions) {
      op->error = {};
      Judge(*op, owners[op->version_name], identity);
    }
  });
}

std::span<const Query* const> VersionQueries() {
  static constexpr const Query* kQueries[] = {&kAdoptVersion, &kInsertVersion, &kVersionOwner};
  return kQueries;
}

}  // namespace dbos::sidecar
