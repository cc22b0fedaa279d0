#include "sidecar/server/database.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/status.h"
#include "sidecar/db/migrator.h"
#include "sidecar/db/open.h"
#include "sidecar/db/sqlite/sqlite_database.h"
#include "sidecar/server/password_source.h"
#include "sidecar/server/schema_version.h"
#include "sidecar/server/unless_stopped.h"
#include "sidecar/store/open_storage.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(250);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
constexpr absl::Duration kShortestConnectTimeout = absl::Seconds(2);  // libpq takes one second for two

absl::Status Unreachable(const Config& config, const absl::Status& last) {
  return absl::UnavailableError("the database " + DescribeDatabase(config.system_database_url) +
                                " could not be reached for " + absl::FormatDuration(config.database_wait) + " (" +
                                Message(last) + "): start it, check --database, or wait longer with --database-wait");
}

absl::StatusOr<int> PrepareDatabase(const Config& config, absl::Duration within) {
  // Two connections, one after the other, when the first does not open: the database may have to be created.
  const absl::Duration each = std::clamp(within / 2, kShortestConnectTimeout, kConnectTimeout);
  ASSIGN_OR_RETURN(const Database database, OpenSystemDatabase(config, each));
  return PrepareSchema(config, database);
}

// A server that is away, or a lock that somebody holds.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status);
}

absl::StatusOr<int> PrepareUnlessStopped(const Config& config, absl::Duration within, Signals& signals) {
  return RunUnlessStopped<int>(
      signals, absl::CancelledError("stopped while waiting for the database"),
      [config, within](const std::atomic<bool>& /*stopping*/) { return PrepareDatabase(config, within); });
}

absl::Status NoSuchDatabase(const Config& config, const std::string& why) {
  return absl::NotFoundError("no such database " + DescribeDatabase(config.system_database_url) + " (" + why +
                             "): run dbos-sidecar migrate, or check --name/--database");
}

}  // namespace

ConnectionOptions ConnectionOptionsOf(const Config& config) {
  ConnectionOptions options;
  options.connect_args = config.connect_args;
  options.password = PasswordSourceOf(config);
  options.notify = config.use_listen_notify;
  if (config.echo) options.echo = config.hide_parameters ? Echo::kStatements : Echo::kParameters;
  return options;
}

absl::StatusOr<Database> OpenSystemDatabase(const Config& config, absl::Duration connect_timeout) {
  ConnectionOptions options = ConnectionOptionsOf(config);
  options.connect_timeout = connect_timeout;
  return OpenDatabase(config.direct_database_url.empty() ? config.system_database_url : config.direct_database_url,
                      config.schema, options);
}

absl::StatusOr<std::unique_ptr<FileLock>> LockDatabase(const Config& config) {
  ASSIGN_OR_RETURN(const Database database, OpenSystemDatabase(config));
  if (database.in_memory) {
    Log(LogLevel::kWarning, "the database is in memory: workflows, steps and results end with this process",
        {{"database", config.system_database_url}});
  }
  if (database.sqlite_path.empty()) return std::unique_ptr<FileLock>();
  RETURN_IF_ERROR(CheckSqliteFile(database.sqlite_path));  // says more than the lock could
  return FileLock::Take(database.sqlite_path + ".lock", "the SQLite database " + database.sqlite_path);
}

absl::StatusOr<int> AwaitDatabase(const Config& config, Signals& signals) {
  const absl::Time give_up = absl::Now() + config.database_wait;
  absl::Duration pause = kFirstPause;
  while (true) {
    absl::StatusOr<int> version = PrepareUnlessStopped(config, give_up - absl::Now(), signals);
    if (version.ok() || !IsPassing(version.status())) return version;
    if (absl::Now() + pause > give_up) {
      return absl::IsUnavailable(version.status()) ? Unreachable(config, version.status()) : version.status();
    }
    Log(LogLevel::kWarning, "the database is not there yet, trying again",
        {{"database", DescribeDatabase(config.system_database_url)},
         {"error", Message(version.status())},
         {"in", absl::FormatDuration(pause)},
         {"giving_up_in", absl::FormatDuration(absl::Trunc(give_up - absl::Now(), absl::Seconds(1)))}});
    const auto signal = signals.Wait(pause);
    if (signal && signal->number != SIGCHLD) return absl::CancelledError("stopped while waiting for the database");
    pause = std::min(pause * 2, kLongestPause);
  }
}

absl::Status RequireDatabase(const Config& config) {
  ASSIGN_OR_RETURN(const Database database, OpenSystemDatabase(config));
  if (database.in_memory) {
    return absl::FailedPreconditionError("the database " + config.system_database_url +
                                         " is in the memory of its sidecar: no other process can look into it");
  }
  if (!database.sqlite_path.empty() && !std::filesystem::exists(database.sqlite_path)) {
    return NoSuchDatabase(config, "there is no such file");
  }
  const std::unique_ptr<Connection> connection = database.connect(ConnectionRole::kInspection);
  const absl::StatusOr<int> version = ReadSchemaVersion(database.dialect, *connection);
  if (!version.ok()) return NoSuchDatabase(config, Message(version.status()));
  return *version == 0 ? NoSuchDatabase(config, "it holds no tables of DBOS") : absl::OkStatus();
}

absl::StatusOr<SystemStorage> OpenSystemStorage(const Config& config, const std::string& executor_id) {
  StorageOptions options;
  options.database_url = config.system_database_url;
  options.direct_database_url = config.direct_database_url;
  options.schema = config.schema;
  options.executor_id = executor_id;
  options.application_name = config.name;
  options.legacy_payloads = config.legacy_payloads;
  options.connection = ConnectionOptionsOf(config);
  options.pool = config.pool;
  if (config.system_pool_size) options.pool.size = *config.system_pool_size;
  return OpenStorage(options);
}

}  // namespace dbos::sidecar
