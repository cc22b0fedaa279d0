// The table of settings: each with its key, variable, flag and rule.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

#include "sidecar/server/config.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kExecutorIdBytesMax = 128;
constexpr std::int64_t kWaitSecondsMax = std::int64_t{24} * 3600;

std::optional<std::int64_t> Number(const std::string& text, int base = 10) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::string SetSocketMode(const std::string& value, Config& config) {
  const std::optional<std::int64_t> mode = Number(value, 8);
  if (!mode || *mode > 0777) return "must be an octal file mode such as 0600 or 0666";
  config.socket_mode = static_cast<mode_t>(*mode);
  return "";
}

std::string SetAllowed(const std::string& value, Config& config) {
  config.allowed = {};
  const std::vector<std::string> parts = absl::StrSplit(value, ',', absl::SkipWhitespace());
  for (const std::string& part : parts) {
    if (part == "any") {
      config.allowed.any = true;
      continue;
    }
    const std::optional<std::int64_t> uid = Number(part);
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

std::string SetExecutorId(const std::string& value, Config& config) {
  const bool printable = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!printable || value.size() > kExecutorIdBytesMax) return "must be printable ASCII of at most 128 bytes";
  if (value == "local") return "must be unique: \"local\" is what every SDK process calls itself";
  config.executor_id = value;
  return "";
}

std::string SetLogFormat(const std::string& value, Config& config) {
  if (value != "text" && value != "json") return "must be text or json";
  config.log_format = value == "json" ? LogFormat::kJson : LogFormat::kText;
  return "";
}

std::string SetLogLevel(const std::string& value, Config& config) {
  if (value == "debug")
    config.log_level = LogLevel::kDebug;
  else if (value == "info")
    config.log_level = LogLevel::kInfo;
  else if (value == "warning")
    config.log_level = LogLevel::kWarning;
  else if (value == "error")
    config.log_level = LogLevel::kError;
  else
    return "must be debug, info, warning or error";
  return "";
}

// A setting that is on or off; YAML and people also write true and false.
template <typename Switch>
std::function<std::string(const std::string&, Config&)> OnOrOff(Switch Config::*member) {
  return [member](const std::string& value, Config& config) -> std::string {
    if (value != "on" && value != "off" && value != "true" && value != "false") return "must be on or off";
    config.*member = value == "on" || value == "true" ? Switch::kOn : Switch::kOff;
    return "";
  };
}

std::string SetSeconds(const std::string& value, absl::Duration& to) {
  const std::optional<std::int64_t> seconds = Number(value);
  if (!seconds || *seconds > kWaitSecondsMax) return "must be whole seconds between 0 and 86400";
  to = absl::Seconds(*seconds);
  return "";
}

// A setting whose value is plain text.
std::function<std::string(const std::string&, Config&)> Text(std::string Config::*member) {
  return [member](const std::string& value, Config& config) {
    config.*member = value;
    return std::string();
  };
}

std::vector<Setting> MakeSettings() {
  return {
      {"name", "DBOS_APP_NAME", "name", "application name: 3-30 lower-case letters, digits, - and _",
       Text(&Config::name)},
      {"system_database_url", "DBOS_SYSTEM_DATABASE_URL", "database",
       "postgresql://user:password@host/database or sqlite:///file (default sqlite:///<name>.sqlite)",
       Text(&Config::system_database_url)},
      {"application_database_url", "DBOS_APPLICATION_DATABASE_URL", "app-database",
       "the database of the application's own tables, in the same forms (default: the default of --database)",
       Text(&Config::application_database_url)},
      {"dbos_system_schema", "DBOS_SYSTEM_SCHEMA", "schema", "schema of the system tables (default dbos)",
       Text(&Config::schema)},
      {"sidecar.address", "DBOS_SIDECAR_ADDRESS", "address",
       "where to listen, unix:path (default unix:/run/dbos/sidecar.sock if that directory exists, else "
       "unix:./.dbos/sidecar.sock)",
       Text(&Config::address)},
      {"sidecar.socket_mode", "DBOS_SOCKET_MODE", "socket-mode", "mode of the socket file (default 0600)",
       SetSocketMode},
      {"sidecar.allowed_uids", "DBOS_ALLOWED_UIDS", "allow-uid",
       "users who may connect: numeric ids separated by commas, or any (default: the own user)", SetAllowed},
      {"sidecar.executor_id", "DBOS__VMID", "executor-id",
       "unique id of this executor (default: a random one kept in the state directory)", SetExecutorId},
      {"sidecar.state_dir", "DBOS_STATE_DIR", "state-dir", "where the sidecar keeps its own state (default ./.dbos)",
       Text(&Config::state_dir)},
      {"sidecar.log_format", "DBOS_LOG_FORMAT", "log-format", "text or json (default text)", SetLogFormat},
      {"sidecar.log_level", "DBOS_LOG_LEVEL", "log-level", "debug, info, warning or error (default info)", SetLogLevel},
      {"sidecar.reflection", "DBOS_REFLECTION", "reflection", "gRPC reflection, on or off (default on)",
       OnOrOff(&Config::reflection)},
      {"sidecar.legacy_payloads", "DBOS_LEGACY_PAYLOADS", "legacy-payloads",
       "write inputs and results also where DBOS SDKs before 5.0 read them, on or off (default off)",
       OnOrOff(&Config::legacy_payloads)},
      {"sidecar.drain_timeout", "DBOS_DRAIN_TIMEOUT", "drain-timeout",
       "seconds that running executions get to finish at shutdown (default 10)",
       [](const std::string& value, Config& config) { return SetSeconds(value, config.drain_timeout); }},
      {"sidecar.ping_timeout", "DBOS_PING_TIMEOUT", "ping-timeout",
       "seconds without an answer to pings after which a process has lost its executions (default 10)",
       [](const std::string& value, Config& config) {
         return value == "0" ? std::string("must be at least 1") : SetSeconds(value, config.ping_timeout);
       }},
      {"sidecar.application_migrations", "DBOS_APPLICATION_MIGRATIONS", "app-migrations",
       "directories of numbered .sql files to run on the application database at start, separated by commas",
       SetApplicationMigrations},
      {"sidecar.database_wait", "DBOS_DATABASE_WAIT", "database-wait",
       "seconds to wait at start for a database that is not there (default 60)",
       [](const std::string& value, Config& config) { return SetSeconds(value, config.database_wait); }},
  };
}

}  // namespace

const std::vector<Setting>& Settings() {
  static const std::vector<Setting>& settings = *new std::vector<Setting>(MakeSettings());
  return settings;
}

}  // namespace dbos::sidecar
