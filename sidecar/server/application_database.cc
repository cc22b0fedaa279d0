#include "sidecar/server/application_database.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"
#include "sidecar/db/database_url.h"
#include "sidecar/server/database.h"
#include "sidecar/server/migration_directory.h"
#include "sidecar/server/unless_stopped.h"

namespace dbos::sidecar {
namespace {

using Entries = absl::StatusOr<std::vector<MigrationEntry>>;

constexpr absl::Duration kPause = absl::Seconds(1);

absl::Status Stopped() {
  return absl::CancelledError("stopped while migrating the application database");
}

// A statement of the user's may take its time; between files the thread looks whether it is to stop.
Entries MigrateUnlessStopped(const Database& database, const std::vector<MigrationFile>& files,
                             const MigrationChoices& choices, Signals& signals) {
  return RunUnlessStopped<std::vector<MigrationEntry>>(
      signals, Stopped(), [database, files, choices](const std::atomic<bool>& stopping) {
        return RunMigrations(database, files,
                             {.choices = choices, .stopping = [&stopping] { return stopping.load(); }});
      });
}

}  // namespace

absl::StatusOr<std::string> ApplicationDatabaseUrl(const Config& config) {
  if (!config.application_database_url.empty()) return config.application_database_url;
  return absl::FailedPreconditionError(
      "there is no application database: set application_database_url (DBOS_APPLICATION_DATABASE_URL, --app-database); "
      "it may be the same as system_database_url");
}

absl::StatusOr<Database> OpenApplicationDatabase(const Config& config) {
  ASSIGN_OR_RETURN(const std::string url, ApplicationDatabaseUrl(config));
  return OpenDatabase(url, config.schema, ConnectionOptionsOf(config));
}

absl::StatusOr<ApplicationTransactions> OpenApplicationTransactions(const Config& config,
                                                                    const std::string& executor_id) {
  ASSIGN_OR_RETURN(const Database system, OpenSystemDatabase(config));
  ConnectionOptions options = ConnectionOptionsOf(config);
  options.through_pooler = !config.direct_database_url.empty();  // one pooler is before both
  ASSIGN_OR_RETURN(const Database application, OpenDatabase(config.application_database_url, config.schema, options));
  return OpenTransactions(system, application, {executor_id, config.name});
}

Entries MigrateApplication(const Config& config, const std::vector<MigrationFile>& files,
                           const MigrationChoices& choices, Signals& signals) {
  ASSIGN_OR_RETURN(const std::string url, ApplicationDatabaseUrl(config));
  ASSIGN_OR_RETURN(const Database database, OpenApplicationDatabase(config));
  const absl::Time give_up = absl::Now() + config.database_wait;
  while (true) {
    Entries entries = MigrateUnlessStopped(database, files, choices, signals);
    if (!absl::IsUnavailable(entries.status()) || absl::Now() + kPause > give_up) return entries;
    Log(LogLevel::kWarning, "the application database cannot be migrated yet, trying again",
        {{"database", DescribeDatabase(url)}, {"error", Message(entries.status())}});
    const auto signal = signals.Wait(kPause);
    if (signal && signal->number != SIGCHLD) return Stopped();
  }
}

absl::Status RunConfiguredMigrations(const Config& config, Signals& signals) {
  if (config.application_migrations.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<MigrationFile> files, ReadMigrations(config.application_migrations));
  ASSIGN_OR_RETURN(const std::vector<MigrationEntry> entries, MigrateApplication(config, files, {}, signals));
  const auto now = std::count_if(entries.begin(), entries.end(), [](const auto& entry) { return entry.applied_now; });
  const auto missing = std::count_if(entries.begin(), entries.end(),
                                     [](const auto& entry) { return entry.state == MigrationState::kMissing; });
  Log(missing > 0 ? LogLevel::kWarning : LogLevel::kInfo, "application database is up to date",
      {{"applied_now", std::to_string(now)},
       {"migrations", std::to_string(files.size())},
       {"applied_but_missing", std::to_string(missing)}});
  return absl::OkStatus();
}

}  // namespace dbos::sidecar
