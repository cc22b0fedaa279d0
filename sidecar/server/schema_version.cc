#include "sidecar/server/schema_version.h"

#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/db/migrator.h"
#include "sidecar/server/database.h"

namespace dbos::sidecar {
namespace {

std::string Place(const Config& config, const Database& database) {
  const std::string& schema = database.dialect.schema_name;
  return DescribeDatabase(config.system_database_url) + (schema.empty() ? "" : ", schema \"" + schema + "\",");
}

// With sidecar.migrations verify or off.
absl::StatusOr<int> CheckSchema(const Config& config, const Database& database) {
  const std::string setting = config.migrations == Migrations::kVerify ? "verify" : "off";
  const std::string fix = absl::StrCat(", and with sidecar.migrations: ", setting,
                                       " this sidecar changes nothing: run dbos-sidecar migrate, or choose auto");
  absl::StatusOr<int> version = InspectSchema(database);
  if (absl::IsPermissionDenied(version.status())) {
    return absl::PermissionDeniedError(
        absl::StrCat("the system database ", Place(config, database), " cannot be read (", Message(version.status()),
                     "): run dbos-sidecar migrate --app-role ROLE for the role of this sidecar"));
  }
  RETURN_IF_ERROR(version.status());
  if (*version == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the system database ", Place(config, database), " has no DBOS tables", fix));
  }
  if (config.migrations == Migrations::kVerify && *version < kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the system database ", Place(config, database),
                                                      " is at schema version ", *version,
                                                      ", this sidecar needs version ", kSchemaVersion, fix));
  }
  return version;
}

}  // namespace

absl::StatusOr<int> PrepareSchema(const Config& config, const Database& database) {
  return config.migrations == Migrations::kAuto ? Migrate(database, config.name) : CheckSchema(config, database);
}

absl::StatusOr<int> InspectSchema(const Database& database) {
  std::error_code error;
  if (!database.sqlite_path.empty() && !std::filesystem::exists(database.sqlite_path, error)) return 0;
  return ReadSchemaVersion(database.dialect, *database.connect(ConnectionRole::kInspection));
}

}  // namespace dbos::sidecar
