// The table of settings: each with its key, variable, flag and rule.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "sidecar/server/setting_types.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kExecutorIdBytesMax = 128;

SettingType SocketMode() {
  return {[](const std::string& value, Config& config) -> std::string {
            const std::optional<std::int64_t> mode = ParseNumber(value, 8);
            if (!mode || *mode > 0777) return "must be an octal file mode such as 0600 or 0666";
            config.socket_mode = static_cast<mode_t>(*mode);
            return "";
          },
          [](const Config& config) { return absl::StrFormat("%04o", config.socket_mode); }};
}

std::string SetAllowed(const std::string& value, Config& config) {
  config.allowed = {};
  const std::vector<std::string> parts = absl::StrSplit(value, ',', absl::SkipWhitespace());
  for (const std::string& part : parts) {
    if (part == "any") {
      config.allowed.any = true;
      continue;
    }
    const std::optional<std::int64_t> uid = ParseNumber(part);
    if (!uid || *uid > UINT32_MAX) return "must be numeric user ids separated by commas, or any";
    config.allowed.uids.push_back(static_cast<uid_t>(*uid));
  }
  return "";
}

std::string SetApplicationMigrations(const std::string& value, Config& config) {
  config.application_migrations.clear();
  for (const auto part : absl::StrSplit(value, ',')) {
    const std::string directory(absl::StripAsciiWhitespace(part));
    if (directory.empty()) return "must be directories separated by commas";
    config.application_migrations.push_back(directory);
  }
  return "";
}

SettingType ApplicationMigrations() {
  return {SetApplicationMigrations,
          [](const Config& config) { return absl::StrJoin(config.application_migrations, ","); }};
}

SettingType Allowed() {
  return {SetAllowed, [](const Config& config) {
            return config.allowed.any ? std::string("any") : absl::StrJoin(config.allowed.uids, ",");
          }};
}

std::string SetExecutorId(const std::string& value, Config& config) {
  const bool printable = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!printable || value.size() > kExecutorIdBytesMax) return "must be printable ASCII of at most 128 bytes";
  if (value == "local") return "must be unique: \"local\" is what every SDK process calls itself";
  config.executor_id = value;
  return "";
}

SettingType LogFormatSetting() {
  return {[](const std::string& value, Config& config) -> std::string {
            if (value != "text" && value != "json") return "must be text or json";
            config.log_format = value == "json" ? LogFormat::kJson : LogFormat::kText;
            return "";
          },
          [](const Config& config) { return config.log_format == LogFormat::kJson ? "json" : "text"; }};
}

constexpr std::pair<const char*, LogLevel> kLogLevels[] = {{"debug", LogLevel::kDebug},
                                                           {"info", LogLevel::kInfo},
                                                           {"warning", LogLevel::kWarning},
                                                           {"error", LogLevel::kError}};

SettingType LogLevelSetting() {
  return {[](const std::string& value, Config& config) -> std::string {
            for (const auto& [name, level] : kLogLevels) {
              if (value != name) continue;
              config.log_level = level;
              return "";
            }
            return "must be debug, info, warning or error";
          },
          [](const Config& config) -> std::string {
            for (const auto& [name, level] : kLogLevels) {
              if (config.log_level == level) return name;
            }
            return "";
          }};
}

constexpr std::pair<const char*, Migrations> kMigrations[] = {
    {"auto", Migrations::kAuto}, {"verify", Migrations::kVerify}, {"off", Migrations::kOff}};

SettingType MigrationsSetting() {
  return {[](const std::string& value, Config& config) -> std::string {
            for (const auto& [name, migrations] : kMigrations) {
              if (value != name) continue;
              config.migrations = migrations;
              return "";
            }
            return "must be auto, verify or off";
          },
          [](const Config& config) -> std::string {
            for (const auto& [name, migrations] : kMigrations) {
              if (config.migrations == migrations) return name;
            }
            return "";
          }};
}

Setting Make(const char* key, const char* env, const char* flag, const char* help, SettingType type) {
  return {key, env, flag, help, std::move(type.apply), std::move(type.show)};
}

std::vector<Setting> MakeSettings() {
  std::vector<Setting> settings = {Make("name", "DBOS_APP_NAME", "name",
                                        "application name: 3-30 lower-case letters, digits, - and _",
                                        TextSetting(&Config::name))};
  for (Setting& setting : DatabaseSettings()) settings.push_back(std::move(setting));
  const std::vector<Setting> own = {
      Make("sidecar.migrations", "DBOS_MIGRATIONS", "migrations",
           "at start auto makes or migrates the system tables, verify fails unless they are up to date, off only needs "
           "them to be there (default auto)",
           MigrationsSetting()),
      Make("sidecar.address", "DBOS_SIDECAR_ADDRESS", "address",
           "where to listen, unix:path (default unix:/run/dbos/sidecar.sock if that directory exists, else "
           "unix:./.dbos/sidecar.sock)",
           TextSetting(&Config::address)),
      Make("sidecar.socket_mode", "DBOS_SOCKET_MODE", "socket-mode", "mode of the socket file (default 0600)",
           SocketMode()),
      Make("sidecar.allowed_uids", "DBOS_ALLOWED_UIDS", "allow-uid",
           "users who may connect: numeric ids separated by commas, or any (default: the own user)", Allowed()),
      Make("sidecar.http_address", "DBOS_HTTP_ADDRESS", "http",
           "host:port for health and metrics over HTTP (default: none)", TextSetting(&Config::http_address)),
      Make("sidecar.executor_id", "DBOS__VMID", "executor-id",
           "unique id of this executor (default: a random one kept in the state directory)",
           {SetExecutorId, [](const Config& config) { return config.executor_id; }}),
      Make("sidecar.state_dir", "DBOS_STATE_DIR", "state-dir",
           "where the sidecar keeps its own state (default ./.dbos)", TextSetting(&Config::state_dir)),
      Make("sidecar.log_format", "DBOS_LOG_FORMAT", "log-format", "text or json (default text)", LogFormatSetting()),
      Make("sidecar.log_level", "DBOS_LOG_LEVEL", "log-level", "debug, info, warning or error (default info)",
           LogLevelSetting()),
      Make("sidecar.reflection", "DBOS_REFLECTION", "reflection", "gRPC reflection, on or off (default on)",
           SwitchSetting(&Config::reflection)),
      Make("sidecar.legacy_payloads", "DBOS_LEGACY_PAYLOADS", "legacy-payloads",
           "write inputs and results also where DBOS SDKs before 5.0 read them, on or off (default off)",
           SwitchSetting(&Config::legacy_payloads)),
      Make("sidecar.drain_timeout", "DBOS_DRAIN_TIMEOUT", "drain-timeout",
           "seconds that running executions get to finish at shutdown (default 10)",
           SecondsSetting(&Config::drain_timeout)),
      Make("sidecar.ping_timeout", "DBOS_PING_TIMEOUT", "ping-timeout",
           "seconds without an answer to pings after which a process has lost its executions (default 10)",
           SecondsSetting(&Config::ping_timeout, 1)),
      Make("sidecar.application_migrations", "DBOS_APPLICATION_MIGRATIONS", "app-migrations",
           "directories of numbered .sql files to run on the application database at start, separated by commas",
           ApplicationMigrations()),
      Make("sidecar.database_wait", "DBOS_DATABASE_WAIT", "database-wait",
           "seconds to wait at start for a database that is not there (default 60)",
           SecondsSetting(&Config::database_wait)),
  };
  settings.insert(settings.end(), own.begin(), own.end());
  return settings;
}

}  // namespace

const std::vector<Setting>& Settings() {
  static const std::vector<Setting>& settings = *new std::vector<Setting>(MakeSettings());
  return settings;
}

}  // namespace dbos::sidecar
