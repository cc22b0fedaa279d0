#include "sidecar/db/open.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/db/postgres/postgres_database.h"
#include "sidecar/db/sqlite/sqlite_connection.h"
#include "sidecar/db/sqlite/sqlite_database.h"

namespace dbos::sidecar {
namespace {

constexpr char kCockroachScheme[] = "cockroachdb://";

absl::StatusOr<Database> OpenSqlite(const std::string& url) {
  ASSIGN_OR_RETURN(const std::string path, ParseSqliteUrl(url));
  Database database;
  database.dialect = SqliteDialect();
  database.in_memory = path == kSqliteMemory;
  if (!database.in_memory) database.sqlite_path = path;
  database.connect = [path](ConnectionRole role) { return OpenSqliteConnection(path, role); };
  database.create_if_missing = [] { return absl::OkStatus(); };
  return database;
}

absl::StatusOr<Database> OpenPostgres(const std::string& url, const Dialect& dialect, absl::Duration connect_timeout) {
  ASSIGN_OR_RETURN(const PostgresParameters parameters, ParsePostgresUrl(url, connect_timeout));
  Database database;
  database.dialect = dialect;
  database.connect = [parameters, dialect](ConnectionRole role) {
    return OpenPostgresConnection(parameters, dialect, role);
  };
  database.create_if_missing = [parameters, dialect] { return CreatePostgresDatabase(parameters, dialect); };
  return database;
}

}  // namespace

absl::StatusOr<Database> OpenDatabase(const std::string& url, const std::string& schema,
                                      absl::Duration connect_timeout) {
  if (absl::StartsWith(url, "sqlite:")) return OpenSqlite(url);
  if (schema.empty()) return absl::InvalidArgumentError("the system schema has no name; the default is \"dbos\"");
  if (absl::StartsWith(url, kCockroachScheme)) {
    return OpenPostgres(absl::StrCat("postgresql://", url.substr(sizeof(kCockroachScheme) - 1)),
                        CockroachDialect(schema), connect_timeout);
  }
  if (absl::StartsWith(url, "postgresql://") || absl::StartsWith(url, "postgres://")) {
    return OpenPostgres(url, PostgresDialect(schema), connect_timeout);
  }
  return absl::InvalidArgumentError(
      "the database URL must begin with postgresql://, postgres://, cockroachdb:// or sqlite:///");
}

}  // namespace dbos::sidecar
