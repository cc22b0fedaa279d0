// The settings of databases and connections. Names and defaults are those of the DBOS documentation, which has them
// from SQLAlchemy.
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "sidecar/db/open.h"
#include "sidecar/server/setting_types.h"

namespace dbos::sidecar {
namespace {

constexpr double kSecondsMax = 86'400;

Setting Make(const char* key, const char* env, const char* flag, const char* help, SettingType type) {
  return {key, env, flag, help, std::move(type.apply), std::move(type.show)};
}

// Its value may come from a file, since it can hold a password.
Setting Secret(Setting setting) {
  setting.has_file = true;
  return setting;
}

// Fractions are allowed, as in Python.
std::string ReadSeconds(const std::string& value, absl::Duration& to) {
  double seconds = 0;
  if (!absl::SimpleAtod(value, &seconds) || !(seconds >= 0 && seconds <= kSecondsMax)) {
    return "must be seconds between 0 and 86400";
  }
  to = absl::Seconds(seconds);
  return "";
}

SettingType PoolTimeout() {
  return {[](const std::string& value, Config& config) { return ReadSeconds(value, config.pool.timeout); },
          [](const Config& config) { return absl::StrCat(absl::ToDoubleSeconds(config.pool.timeout)); }};
}

SettingType PoolRecycle() {
  return {[](const std::string& value, Config& config) -> std::string {
            if (value != "-1") {
              const std::string fault = ReadSeconds(value, config.pool.recycle);
              return fault.empty() ? "" : fault + ", or -1 for never";
            }
            config.pool.recycle = absl::InfiniteDuration();
            return "";
          },
          [](const Config& config) -> std::string {
            if (config.pool.recycle == absl::InfiniteDuration()) return "-1";
            return absl::StrCat(absl::ToDoubleSeconds(config.pool.recycle));
          }};
}

SettingType PrePing() {
  return {[](const std::string& value, Config& config) -> std::string {
            const std::optional<bool> on = ParseSwitch(value);
            if (!on) return "must be on or off";
            config.pool.pre_ping = *on;
            return "";
          },
          [](const Config& config) { return config.pool.pre_ping ? "on" : "off"; }};
}

SettingType SchemaSetting() {
  constexpr std::size_t kBytesMax = 63;  // PostgreSQL cuts longer names off
  return {[](const std::string& value, Config& config) -> std::string {
            if (value.empty() || value.size() > kBytesMax) return "must be a name of 1 to 63 bytes";
            config.schema = value;
            return "";
          },
          [](const Config& config) { return config.schema; }};
}

SettingType SystemPoolSize() {
  return {[](const std::string& value, Config& config) {
            Config other;
            std::string fault = ConnectionsSetting(&PoolOptions::size, 1).apply(value, other);
            if (fault.empty()) config.system_pool_size = other.pool.size;
            return fault;
          },
          [](const Config& config) { return absl::StrCat(config.system_pool_size.value_or(config.pool.size)); }};
}

SettingType NumberSetting(int Config::*setting, int least, int most) {
  return {[=](const std::string& value, Config& config) -> std::string {
            const std::optional<std::int64_t> number = ParseNumber(value);
            if (!number || *number < least || *number > most) {
              return absl::StrCat("must be a whole number between ", least, " and ", most);
            }
            config.*setting = static_cast<int>(*number);
            return "";
          },
          [=](const Config& config) { return absl::StrCat(config.*setting); }};
}

}  // namespace

std::vector<Setting> DatabaseSettings() {
  std::vector<Setting> settings = {
      Secret(Make("system_database_url", "DBOS_SYSTEM_DATABASE_URL", "database",
                  "postgresql://user:password@host/database or sqlite:///file (default sqlite:///<name>.sqlite)",
                  UrlSetting(&Config::system_database_url))),
      Secret(Make("application_database_url", "DBOS_APPLICATION_DATABASE_URL", "app-database",
                  "database of the application's own tables; given alone, it decides where the system database is",
                  UrlSetting(&Config::application_database_url))),
      Make("dbos_system_schema", "DBOS_SYSTEM_SCHEMA", "schema", "schema of the system tables (default dbos)",
           SchemaSetting()),
      Make("use_listen_notify", "DBOS_USE_LISTEN_NOTIFY", "listen-notify",
           "whether PostgreSQL notifies processes of work and messages, on or off (default on)",
           BoolSetting(&Config::use_listen_notify)),
      Make("sys_db_pool_size", "DBOS_SYS_DB_POOL_SIZE", "sys-db-pool-size",
           "connections to the system database (default: --pool-size)", SystemPoolSize()),
      Make("db_engine_kwargs.pool_size", "DBOS_POOL_SIZE", "pool-size",
           "connections kept to each database, beside the writer's (default 20)",
           ConnectionsSetting(&PoolOptions::size, 1)),
      Make("db_engine_kwargs.max_overflow", "DBOS_MAX_OVERFLOW", "max-overflow",
           "connections opened beyond those when all are in use (default 0)",
           ConnectionsSetting(&PoolOptions::max_overflow, 0)),
      Make("db_engine_kwargs.pool_timeout", "DBOS_POOL_TIMEOUT", "pool-timeout",
           "seconds to wait for a connection when all are in use (default 30)", PoolTimeout()),
      Make("db_engine_kwargs.pool_recycle", "DBOS_POOL_RECYCLE", "pool-recycle",
           "seconds after which a connection is replaced, -1 for never (default -1)", PoolRecycle()),
      Make("db_engine_kwargs.pool_pre_ping", "DBOS_POOL_PRE_PING", "pool-pre-ping",
           "try a connection that lay idle before it is used, on or off (default on)", PrePing()),
      Make("db_engine_kwargs.echo", "DBOS_ECHO", "echo", "log every SQL statement, on or off (default off)",
           BoolSetting(&Config::echo)),
      Make("db_engine_kwargs.hide_parameters", "DBOS_HIDE_PARAMETERS", "hide-parameters",
           "leave the parameters out of what echo logs, on or off (default on)", BoolSetting(&Config::hide_parameters)),
      Secret(Make("sidecar.direct_database_url", "DBOS_DIRECT_DATABASE_URL", "direct-database",
                  "the system database past a pooler such as pgbouncer, for migrations, the writer and LISTEN",
                  UrlSetting(&Config::direct_database_url))),
      Make("sidecar.transaction_group_max", "DBOS_TRANSACTION_GROUP_MAX", "transaction-group-max",
           "transactions of one statement that may share a commit, 1 for none (default 32)",
           NumberSetting(&Config::transaction_group_max, 1, 256)),
      Make("sidecar.transaction_spin_us", "DBOS_TRANSACTION_SPIN_US", "transaction-spin-us",
           "microseconds that a lone caller's statement is waited for without sleeping, 0 for never (default 300)",
           NumberSetting(&Config::transaction_spin_us, 0, 1000)),
      Make("sidecar.database_password_file", "DBOS_DATABASE_PASSWORD_FILE", "password-file",
           "file with the password for URLs without one, read again for each connection",
           TextSetting(&Config::password_file)),
      Make("sidecar.database_password_command", "DBOS_DATABASE_PASSWORD_COMMAND", "password-command",
           "command that prints the password for URLs without one, run again for each connection",
           TextSetting(&Config::password_command)),
  };
  for (const std::string& keyword : ConnectionKeywords()) {
    const std::string key = absl::StrCat("db_engine_kwargs.connect_args.", keyword);
    settings.push_back(Make(key.c_str(), "", "", "a libpq parameter", ConnectArgSetting(keyword)));
  }
  return settings;
}

}  // namespace dbos::sidecar
