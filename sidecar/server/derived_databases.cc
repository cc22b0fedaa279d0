// Which databases there are, by the rules of the DBOS documentation.
#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/db/database_url.h"
#include "sidecar/db/open.h"
#include "sidecar/server/config.h"

namespace dbos::sidecar {
namespace {

constexpr char kSystemKey[] = "system_database_url";
constexpr char kApplicationKey[] = "application_database_url";
constexpr char kDirectKey[] = "sidecar.direct_database_url";
constexpr char kSystemSuffix[] = "_dbos";
constexpr std::size_t kPostgresNameBytesMax = 63;  // PostgreSQL cuts longer names without a word

absl::StatusOr<DatabaseUrl> Parse(const Config& config, const char* key, const std::string& url) {
  ConnectionOptions options;
  options.connect_args = config.connect_args;
  absl::StatusOr<DatabaseUrl> parsed = ParseDatabaseUrl(url, options);
  if (parsed.ok()) return parsed;
  return absl::InvalidArgumentError(absl::StrCat(key, ": ", Message(parsed.status())));
}

const char* NameOf(DatabaseType type) {
  return type == DatabaseType::kSqlite ? "SQLite" : "PostgreSQL";
}

absl::Status CheckSameType(const char* one_key, DatabaseType one, const char* other_key, DatabaseType other) {
  if (one == other) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      one_key, " is ", NameOf(one), " and ", other_key, " is ", NameOf(other),
      ": both must be of one type, because the same SQL runs on both. Give both on PostgreSQL or both on SQLite"));
}

absl::StatusOr<std::string> SystemUrlFor(const std::string& application_url, const DatabaseUrl& application) {
  if (application.type == DatabaseType::kSqlite) return application_url;
  const std::string name = application.name + kSystemSuffix;
  if (name.size() <= kPostgresNameBytesMax) return WithDatabaseName(application_url, name);
  return absl::InvalidArgumentError(absl::StrCat("the system database would be called \"", name,
                                                 "\", which is longer than PostgreSQL's 63 bytes: give ", kSystemKey));
}

}  // namespace

absl::Status DeriveDatabases(Config& config, Origins* origins) {
  const auto derive = [origins](const char* key, const std::string& from) {
    if (origins != nullptr) (*origins)[key] = from;
  };
  std::string& system = config.system_database_url;
  std::string& application = config.application_database_url;
  if (system.empty() && application.empty()) {
    system = DefaultDatabaseUrl(config.name);
    application = system;
    derive(kSystemKey, "default");
    derive(kApplicationKey, "default");
  } else if (system.empty()) {
    ASSIGN_OR_RETURN(const DatabaseUrl parsed, Parse(config, kApplicationKey, application));
    ASSIGN_OR_RETURN(system, SystemUrlFor(application, parsed));
    derive(kSystemKey, absl::StrCat("derived from ", kApplicationKey));
  }
  ASSIGN_OR_RETURN(const DatabaseUrl parsed, Parse(config, kSystemKey, system));
  if (!application.empty()) {
    ASSIGN_OR_RETURN(const DatabaseUrl other, Parse(config, kApplicationKey, application));
    RETURN_IF_ERROR(CheckSameType(kSystemKey, parsed.type, kApplicationKey, other.type));
  }
  if (!config.direct_database_url.empty()) {
    ASSIGN_OR_RETURN(const DatabaseUrl other, Parse(config, kDirectKey, config.direct_database_url));
    RETURN_IF_ERROR(CheckSameType(kSystemKey, parsed.type, kDirectKey, other.type));
  }
  return absl::OkStatus();
}

}  // namespace dbos::sidecar
