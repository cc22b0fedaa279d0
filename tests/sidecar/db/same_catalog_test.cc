// The catalog of a fresh database of ours beside that of each official SDK. What differs is listed here, line by line,
// with its reason; anything else is a failure.
#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

#include "tests/sidecar/db/catalog.h"

namespace dbos::sidecar {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAreArray;

struct Difference {
  std::string reason;
  std::vector<std::string> ours;
  std::vector<std::string> theirs;
};
using Differences = std::vector<Difference>;

// Both sorted.
std::vector<std::string> Without(const std::vector<std::string>& all, const std::vector<std::string>& what) {
  std::vector<std::string> rest;
  std::set_difference(all.begin(), all.end(), what.begin(), what.end(), std::back_inserter(rest));
  return rest;
}

void RunSdk(const std::string& program, const std::string& script, const TestDatabase& database) {
  const std::string command = absl::StrCat(program, " '", DBOS_PEER_DIR, "/", script, "' '", database.url(), "' >&2");
  ASSERT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe)
}

void RunPython(const TestDatabase& database) {
  const char* python = std::getenv("DBOS_TEST_PYTHON");  // NOLINT(concurrency-mt-unsafe)
  ASSERT_NE(python, nullptr) << "run by tests/run";
  RunSdk(python, "takeover.py", database);
}

void ExpectTheseDifferences(const std::vector<std::string>& ours, const std::vector<std::string>& theirs,
                            const Differences& differences) {
  std::vector<std::string> only_ours;
  std::vector<std::string> only_theirs;
  for (const Difference& difference : differences) {
    only_ours.insert(only_ours.end(), difference.ours.begin(), difference.ours.end());
    only_theirs.insert(only_theirs.end(), difference.theirs.begin(), difference.theirs.end());
  }
  EXPECT_THAT(Without(ours, theirs), UnorderedElementsAreArray(only_ours));
  EXPECT_THAT(Without(theirs, ours), UnorderedElementsAreArray(only_theirs));
}

Difference EventTable() {
  Difference table = {"left over from the first migrations of the SDKs, which nothing uses any more", {}, {}};
  for (const char* column : {"key text not null", "service_name text not null", "update_seq numeric(38,0)",
                             "update_time numeric(38,15)", "value text", "workflow_fn_name text not null"}) {
    table.theirs.push_back(absl::StrCat("column event_dispatch_kv.", column));
  }
  const std::string key = "(service_name, workflow_fn_name, key)";
  table.theirs.push_back(absl::StrCat("constraint dbos.event_dispatch_kv event_dispatch_kv_pkey PRIMARY KEY ", key));
  table.theirs.push_back(
      absl::StrCat("index CREATE UNIQUE INDEX event_dispatch_kv_pkey ON dbos.event_dispatch_kv USING btree ", key));
  return table;
}

constexpr char kNewer[] =
    "versions 124 and 125, which the Python SDK is the first to have: they only make look-ups fast";

Difference NewerIndexes() {
  const std::string on = " ON dbos.application_versions USING btree ";
  return {kNewer,
          {},
          {absl::StrCat("index CREATE INDEX idx_application_versions_owner_timestamp", on,
                        "(application_name, version_timestamp DESC)"),
           absl::StrCat("index CREATE INDEX idx_application_versions_timestamp", on, "(version_timestamp DESC)")}};
}

Difference NewerSqliteIndexes() {
  return {kNewer,
          {},
          {"index application_versions idx_application_versions_owner_timestamp (application_name, version_timestamp "
           "desc)",
           "index application_versions idx_application_versions_timestamp (version_timestamp desc)"}};
}

Difference NullKeys() {
  return {"a key of SQLite may be null unless it says not; ours may not, as on PostgreSQL",
          {"column queues.queue_id TEXT not null default hex(randomblob(16)) key 1",
           "column workflow_schedules.schedule_id TEXT not null key 1",
           "column workflow_status.workflow_uuid TEXT not null key 1"},
          {"column queues.queue_id TEXT default hex(randomblob(16)) key 1",
           "column workflow_schedules.schedule_id TEXT key 1", "column workflow_status.workflow_uuid TEXT key 1"}};
}

Difference Clocks() {
  Difference difference = {"the clock of Python before 3.12 has whole seconds here, ours has milliseconds", {}, {}};
  for (const char* column :
       {"application_versions.created_at", "application_versions.version_timestamp",
        "notifications.created_at_epoch_ms", "operation_outputs.retention_timestamp", "queues.created_at",
        "queues.updated_at", "workflow_input.retention_timestamp", "workflow_output.retention_timestamp",
        "workflow_status.created_at", "workflow_status.updated_at"}) {
    const std::string line = absl::StrCat("column ", column, " INTEGER not null default ");
    difference.ours.push_back(absl::StrCat(line, SqliteDialect().now_ms));
    difference.theirs.push_back(absl::StrCat(line, "strftime('%s','now') * 1000"));
  }
  return difference;
}

TEST(SameCatalogTest, OursIsTheTypeScriptSdks) {
  const auto ours = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  const auto theirs = TestDatabase::Create(DatabaseKind::kPostgres);
  ASSERT_NO_FATAL_FAILURE(RunSdk("node", "launch.mjs", *theirs));
  ExpectTheseDifferences(Catalog(*ours), Catalog(*theirs), {EventTable()});
  EXPECT_THAT(theirs->Query("SELECT version FROM dbos.dbos_migrations"), ElementsAre("123"));
}

TEST(SameCatalogTest, OursIsThePythonSdks) {
  const auto ours = TestDatabase::CreateMigrated(DatabaseKind::kPostgres);
  const auto theirs = TestDatabase::Create(DatabaseKind::kPostgres);
  ASSERT_NO_FATAL_FAILURE(RunPython(*theirs));
  ExpectTheseDifferences(Catalog(*ours), Catalog(*theirs), {EventTable(), NewerIndexes()});
}

TEST(SameCatalogTest, OursIsThePythonSdksOnSqlite) {
  const auto ours = TestDatabase::CreateMigrated(DatabaseKind::kSqlite);
  const auto theirs = TestDatabase::Create(DatabaseKind::kSqlite);
  ASSERT_NO_FATAL_FAILURE(RunPython(*theirs));
  ExpectTheseDifferences(Catalog(*ours), Catalog(*theirs), {NullKeys(), Clocks(), NewerSqliteIndexes()});
}

}  // namespace
}  // namespace dbos::sidecar
