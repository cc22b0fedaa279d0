#include "sidecar/server/database.h"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "absl/time/clock.h"

#include "sidecar/base/check.h"
#include "sidecar/base/status.h"
#include "sidecar/db/migrator.h"
#include "sidecar/db/open.h"
#include "sidecar/server/password_source.h"
#include "sidecar/store/open_storage.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(250);
constexpr absl::Duration kLongestPause = absl::Seconds(5);
constexpr absl::Duration kGraceAtStop = absl::Milliseconds(500);
constexpr absl::Duration kShortestConnectTimeout = absl::Seconds(2);  // libpq takes one second for two

absl::Status Unreachable(const Config& config, const absl::Status& last) {
  return absl::UnavailableError("the database " + DescribeDatabase(config.system_database_url) +
                                " could not be reached for " + absl::FormatDuration(config.database_wait) + " (" +
                                Message(last) + "): start it, check --database, or wait longer with --database-wait");
}

// Past a pooler, if the configuration tells the way.
absl::StatusOr<Database> OpenDirectly(const Config& config, absl::Duration connect_timeout = kConnectTimeout) {
  ConnectionOptions options = ConnectionOptionsOf(config);
  options.connect_timeout = connect_timeout;
  return OpenDatabase(config.direct_database_url.empty() ? config.system_database_url : config.direct_database_url,
                      config.schema, options);
}

absl::StatusOr<int> MigrateDatabase(const Config& config, absl::Duration within) {
  // Two connections, one after the other, when the first does not open: the database may have to be created.
  const absl::Duration each = std::clamp(within / 2, kShortestConnectTimeout, kConnectTimeout);
  ASSIGN_OR_RETURN(const Database database, OpenDirectly(config, each));
  return Migrate(database);
}

// What the thread of one try and its waiter share.
struct Try {
  Try() = default;
  ~Try() { close(ended); }
  Try(const Try&) = delete;
  Try& operator=(const Try&) = delete;

  const int ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);  // has a number to read once `version` is there
  absl::StatusOr<int> version;
};

// On a thread of its own, since nothing interrupts libpq while it connects to a server that says nothing. If a signal
// to stop comes first, that thread is left behind: the process is about to end.
absl::StatusOr<int> MigrateUnlessStopped(const Config& config, absl::Duration within, Signals& signals) {
  auto shared = std::make_shared<Try>();
  std::thread([shared, config, within] {
    shared->version = MigrateDatabase(config, within);
    constexpr std::uint64_t kEnded = 1;
    DBOS_CHECK(write(shared->ended, &kEnded, sizeof(kEnded)) == sizeof(kEnded));
  }).detach();
  for (std::uint64_t ended = 0; read(shared->ended, &ended, sizeof(ended)) < 0;) {
    const auto signal = signals.Wait(absl::InfiniteDuration(), shared->ended);
    if (!signal || signal->number == SIGCHLD) continue;
    signals.Wait(kGraceAtStop, shared->ended);  // one that works, and does not hang, may finish
    return absl::CancelledError("stopped while waiting for the database");
  }
  return std::move(shared->version);  // not shared any more: that thread may end later than this answer
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
  if (config.echo) options.echo = config.hide_parameters ? Echo::kStatements : Echo::kParameters;
  return options;
}

absl::StatusOr<std::unique_ptr<FileLock>> LockDatabase(const Config& config) {
  ASSIGN_OR_RETURN(const Database database, OpenDirectly(config));
  if (database.sqlite_path.empty()) return std::unique_ptr<FileLock>();
  return FileLock::Take(database.sqlite_path + ".lock", "the SQLite database " + database.sqlite_path);
}

absl::StatusOr<int> AwaitDatabase(const Config& config, Signals& signals) {
  const absl::Time give_up = absl::Now() + config.database_wait;
  absl::Duration pause = kFirstPause;
  while (true) {
    absl::StatusOr<int> version = MigrateUnlessStopped(config, give_up - absl::Now(), signals);
    if (version.ok() || !absl::IsUnavailable(version.status())) return version;
    if (absl::Now() + pause > give_up) return Unreachable(config, version.status());
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
  ASSIGN_OR_RETURN(const Database database, OpenDirectly(config));
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
