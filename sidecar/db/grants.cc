#include "sidecar/db/grants.h"

#include <memory>

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr Query kRole = {
    .name = "role",
    .args = "role text",
    .rows = "",
    .sql = "SELECT CASE WHEN rolname = current_user THEN 1 ELSE 0 END FROM pg_roles WHERE rolname = $1",
};

absl::Status CheckRole(Connection& connection, const std::string& role, const std::string& flag) {
  ASSIGN_OR_RETURN(const Result found, connection.Execute(Statement(kRole, {std::string_view(role)})));
  if (found.size() == 0) {
    return absl::NotFoundError(absl::StrCat("there is no role \"", role,
                                            "\": create it first, for example with CREATE ", "ROLE ",
                                            QuoteIdentifier(role), " LOGIN PASSWORD '...'"));
  }
  if (!found[0].Bool(0)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the role \"", role, "\" is the one that migrates, and needs no grants: ", flag, " names another"));
}

}  // namespace

std::vector<std::string> GrantStatements(const Dialect& dialect, const std::string& role) {
  const std::string schema = QuoteIdentifier(dialect.schema_name);
  const std::string to = absl::StrCat(" TO ", QuoteIdentifier(role));
  const std::string defaults = absl::StrCat("ALTER DEFAULT PRIVILEGES IN SCHEMA ", schema);
  return {
      absl::StrCat("GRANT USAGE ON SCHEMA ", schema, to),
      absl::StrCat("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ", schema, to),
      absl::StrCat("REVOKE INSERT, UPDATE, DELETE ON ", schema, ".dbos_migrations FROM ", QuoteIdentifier(role)),
      absl::StrCat("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ", schema, to),
      absl::StrCat("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ", schema, to),
      absl::StrCat(defaults, " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES", to),
      absl::StrCat(defaults, " GRANT USAGE, SELECT ON SEQUENCES", to),
      absl::StrCat(defaults, " GRANT EXECUTE ON FUNCTIONS", to),
  };
}

absl::Status RunGrants(const Database& database, const std::string& role, const std::string& flag,
                       const std::vector<std::string>& statements) {
  if (database.dialect.schema_name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("SQLite has no roles: leave out ", flag));
  }
  const std::unique_ptr<Connection> connection = database.connect(ConnectionRole::kMigration);
  RETURN_IF_ERROR(CheckRole(*connection, role, flag));
  for (const std::string& statement : statements) RETURN_IF_ERROR(connection->RunScript(statement).status());
  return absl::OkStatus();
}

absl::Status GrantRunTimeRole(const Database& database, const std::string& role) {
  return RunGrants(database, role, "--app-role", GrantStatements(database.dialect, role));
}

}  // namespace dbos::sidecar
