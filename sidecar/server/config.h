// Config: everything that can be set, and where its value comes from.
//
// Precedence: dbos-config.yaml < environment < flags. An unknown key is an error. Values of the file may hold ${VAR}.
//
// Blocking: reads one small file. Errors: InvalidArgument; the message names the key, its source and the fix.
// Secrets:  the database URL may hold a password: never log it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/base/logging.h"
#include "sidecar/rpc/grpc_server.h"
#include "sidecar/server/acceptor.h"
#include "sidecar/store/legacy_payloads.h"

namespace dbos::sidecar {

struct Config {
  std::string name;
  std::string system_database_url;                  // empty: DefaultDatabaseUrl(name)
  std::string application_database_url;             // see ApplicationDatabaseUrl
  std::vector<std::string> application_migrations;  // directories of migrations that run at start
  std::string schema = "dbos";
  std::string address;  // empty: DefaultAddress()
  mode_t socket_mode = kPrivateSocketMode;
  AllowedPeers allowed;     // nobody: the own user
  std::string executor_id;  // empty: kept in the state directory
  std::string state_dir = "./.dbos";
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
  Reflection reflection = Reflection::kOn;
  LegacyPayloads legacy_payloads = LegacyPayloads::kOff;
  absl::Duration drain_timeout = absl::Seconds(10);
  absl::Duration ping_timeout = absl::Seconds(10);
  absl::Duration database_wait = absl::Seconds(60);  // how long to wait at start for a database that is not there
};

// One thing that can be set. Empty `env` or `flag`: not settable there.
struct Setting {
  std::string key;  // in dbos-config.yaml; a dot separates the section
  std::string env;
  std::string flag;  // without the dashes
  std::string help;
  // Returns what is wrong with the value, or nothing.
  std::function<std::string(const std::string& value, Config& config)> apply;
};
const std::vector<Setting>& Settings();

using Environment = std::function<const char*(const char* name)>;

struct ConfigSources {
  std::string file;  // empty: dbos-config.yaml in the current directory, if there is one
  Environment environment;
  std::map<std::string, std::string> flags;  // by Setting::flag
};

absl::StatusOr<Config> LoadConfig(const ConfigSources& sources);

// Fills what was left open: name is checked, database, address and allowed users get their defaults.
absl::Status CompleteConfig(Config& config);

// 3 to 30 lower-case letters, digits, dashes and underscores.
absl::Status CheckName(const std::string& name);
// The nearest valid name, for a directory's name.
std::string SanitisedName(const std::string& text);
std::string DefaultDatabaseUrl(const std::string& name);
std::string DefaultAddress();

}  // namespace dbos::sidecar
