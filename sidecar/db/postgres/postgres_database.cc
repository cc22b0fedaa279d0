#include "sidecar/db/postgres/postgres_database.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr Query kDatabaseExists = {
    .name = "database_exists",
    .args = "name text",
    .rows = "",
    .sql = "SELECT 1 FROM pg_database WHERE datname = $1",
};

}  // namespace

absl::Status CreatePostgresDatabase(const PostgresParameters& parameters, const Dialect& dialect,
                                    const PasswordSource& password) {
  const std::string name = parameters.Get("dbname");
  if (name.empty() || name == "postgres") return absl::OkStatus();
  if (OpenPostgresConnection(parameters, dialect, ConnectionRole::kMigration, password)->RunScript("SELECT 1").ok()) {
    return absl::OkStatus();
  }
  PostgresParameters server = parameters;
  server.Set("dbname", "postgres");
  const auto connection = OpenPostgresConnection(server, dialect, ConnectionRole::kMigration, password);
  Statement exists(kDatabaseExists, {std::string_view(name)});
  ASSIGN_OR_RETURN(const Result found, connection->Execute(exists));
  if (found.size() > 0) return absl::OkStatus();
  const absl::Status created =
      connection->RunScript(absl::StrCat("CREATE DATABASE \"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\""))
          .status();
  return absl::IsAlreadyExists(created) ? absl::OkStatus() : created;
}

}  // namespace dbos::sidecar
