// Config: everything that can be set, and where its value comes from.
//
// Precedence: default < dbos-config.yaml < environment < flags. An unknown key is an error. Secrets may be kept in
// files of their own: `<key>_file` in the configuration, `<VARIABLE>_FILE` in the environment.
//
// Blocking: reads a few small files. Errors: InvalidArgument; the message names the key, its source and the fix.
// Secrets:  URLs and connect_args may hold passwords: show them by Setting::show only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/base/logging.h"
#include "sidecar/db/options.h"
#include "sidecar/rpc/grpc_server.h"
#include "sidecar/server/acceptor.h"
#include "sidecar/store/legacy_payloads.h"

namespace dbos::sidecar {

// What a start does about the tables of the system database.
enum class Migrations {
  kAuto,    // makes and migrates them
  kVerify,  // fails unless they are there and at our version, or a newer one
  kOff,     // fails unless they are there
};

struct Config {
  std::string name;
  std::string system_database_url;                  // never empty after CompleteConfig
  std::string application_database_url;             // empty after CompleteConfig: there is none
  std::string direct_database_url;                  // of the system database, past a pooler; empty: the same
  std::vector<std::string> application_migrations;  // directories of migrations that run at start
  std::string schema = "dbos";
  Migrations migrations = Migrations::kAuto;
  bool use_listen_notify = true;
  std::optional<int> system_pool_size;  // none: pool.size
  PoolOptions pool;
  std::map<std::string, std::string> connect_args;
  bool echo = false;               // log every SQL statement
  int transaction_group_max = 32;  // of one statement, in one commit
  int transaction_spin_us = 300;   // 0: never
  bool hide_parameters = true;     // but not its parameters
  std::string password_file;       // read before each connection whose URL holds no password
  std::string password_command;    // or run
  std::string address;             // empty: DefaultAddress()
  std::string http_address;        // empty: no HTTP
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

// Where the value of a key comes from: a file, a variable, a flag, or a rule.
using Origins = std::map<std::string, std::string>;

using Environment = std::function<const char*(const char* name)>;

struct ConfigSources {
  std::string file;  // empty: dbos-config.yaml in the current directory, if there is one
  Environment environment;
  std::map<std::string, std::string> flags;  // by Setting::flag
};

// `origins`, if any: by key, for those that are set.
absl::StatusOr<Config> LoadConfig(const ConfigSources& sources, Origins* origins = nullptr);

// Fills what was left open: the name is checked, databases, address and allowed users get their defaults.
absl::Status CompleteConfig(Config& config, Origins* origins = nullptr);

// Which databases there are, of those that were named:
//   none          the SQLite default serves both
//   system        there is no application database
//   application   PostgreSQL: the system database is <application database>_dbos on the same server;
//                 SQLite: the system tables are in the same file
//   both          as given; both PostgreSQL or both SQLite
absl::Status DeriveDatabases(Config& config, Origins* origins = nullptr);

// 3 to 30 lower-case letters, digits, dashes and underscores.
absl::Status CheckName(const std::string& name);
// The nearest valid name, for a directory's name.
std::string SanitisedName(const std::string& text);
std::string DefaultDatabaseUrl(const std::string& name);
std::string DefaultAddress();

}  // namespace dbos::sidecar
