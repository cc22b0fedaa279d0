// `dbos-sidecar migrate --app DIRECTORY`: the user's own migrations, for people and scripts.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "absl/time/time.h"

#include "sidecar/base/status.h"
#include "sidecar/db/database_url.h"
#include "sidecar/server/application_database.h"
#include "sidecar/server/commands.h"
#include "sidecar/server/exit_codes.h"
#include "sidecar/server/migration_directory.h"

namespace dbos::sidecar {
namespace {

using Json = nlohmann::ordered_json;

std::string TimeText(std::int64_t ms) {
  if (ms == 0) return "-";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMillis(ms), absl::UTCTimeZone());
}

Json EntryJson(const MigrationEntry& entry) {
  Json json = {{"name", entry.name}, {"state", ToString(entry.state)}, {"applied_now", entry.applied_now}};
  if (!entry.directory.empty()) json["directory"] = entry.directory;
  if (entry.applied_at_ms != 0) json["applied_at"] = TimeText(entry.applied_at_ms);
  if (entry.applied_at_ms != 0) json["duration_ms"] = entry.duration_ms;
  if (!entry.problem.empty()) json["problem"] = entry.problem;
  return json;
}

void PrintEntry(const MigrationEntry& entry, std::size_t width) {
  std::printf("%-12s  %-*s  %-20s  %s\n", ToString(entry.state), static_cast<int>(width), entry.name.c_str(),
              TimeText(entry.applied_at_ms).c_str(),
              entry.applied_at_ms == 0 ? "-" : (std::to_string(entry.duration_ms) + " ms").c_str());
}

void Print(const std::vector<MigrationEntry>& entries, const AppMigrateQuery& query, const std::string& place) {
  if (query.format == OutputFormat::kJson) {
    Json json = {{"database", place}, {"migrations", Json::array()}};
    for (const MigrationEntry& entry : entries) json["migrations"].push_back(EntryJson(entry));
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return;
  }
  std::size_t width = 4;
  for (const MigrationEntry& entry : entries) width = std::max(width, entry.name.size());
  const bool all = query.kind != AppMigrateQuery::Kind::kRun;
  for (const MigrationEntry& entry : entries) {
    if (all || entry.applied_now || entry.state == MigrationState::kMissing) PrintEntry(entry, width);
  }
  const auto count = [&entries](auto matches) {
    return static_cast<long>(std::count_if(entries.begin(), entries.end(), matches));
  };
  const long applied = count([](const auto& entry) { return entry.state == MigrationState::kApplied; });
  const long now = count([](const auto& entry) { return entry.applied_now; });
  const long missing = count([](const auto& entry) { return entry.state == MigrationState::kMissing; });
  std::printf("%s: %ld applied now, %ld in all, %ld to do\n", place.c_str(), now, applied + missing,
              static_cast<long>(entries.size()) - applied - missing);
  if (missing > 0) std::printf("the files of %ld of them are gone\n", missing);
}

absl::StatusOr<std::vector<MigrationEntry>> Answer(const Config& config, const AppMigrateQuery& query) {
  ASSIGN_OR_RETURN(const std::vector<MigrationFile> files, ReadMigrations(query.directories));
  if (query.kind == AppMigrateQuery::Kind::kRun) {
    Signals signals;
    return MigrateApplication(config, files, query.choices, signals);
  }
  ASSIGN_OR_RETURN(const Database database, OpenApplicationDatabase(config));
  ASSIGN_OR_RETURN(std::vector<MigrationEntry> entries, InspectMigrations(database, files));
  if (query.kind == AppMigrateQuery::Kind::kDryRun) {
    RETURN_IF_ERROR(CheckMigrations(database, files, entries, query.choices));
  }
  return entries;
}

}  // namespace

int AppMigrateCommand(const Config& config, const AppMigrateQuery& query) {
  ConfigureLogging(config.log_format, config.log_level);
  const absl::StatusOr<std::string> url = ApplicationDatabaseUrl(config);
  if (!url.ok()) return Fail(kExitUsage, url.status());
  const auto entries = Answer(config, query);
  if (!entries.ok())
    return Fail(absl::IsInvalidArgument(entries.status()) ? kExitUsage : kExitDatabase, entries.status());
  Print(*entries, query, DescribeDatabase(*url));
  return kExitOk;
}

}  // namespace dbos::sidecar
