#include "sidecar/db/open.h"

#include <algorithm>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/db/echo_connection.h"
#include "sidecar/db/postgres/postgres_database.h"
#include "sidecar/db/sqlite/sqlite_connection.h"
#include "sidecar/db/sqlite/sqlite_database.h"

namespace dbos::sidecar {
namespace {

absl::StatusOr<Database> OpenSqlite(const std::string& path) {
  Database database;
  database.dialect = SqliteDialect();
  database.in_memory = path == kSqliteMemory;
  if (!database.in_memory) database.sqlite_path = path;
  database.connect = [path](ConnectionRole role) { return OpenSqliteConnection(path, role); };
  database.create_if_missing = [] { return absl::OkStatus(); };
  return database;
}

absl::StatusOr<Database> OpenPostgres(const std::string& url, const Dialect& dialect,
                                      const ConnectionOptions& options) {
  const std::string plain = absl::StrCat("postgresql", url.substr(url.find("://")));
  ASSIGN_OR_RETURN(const PostgresParameters parameters, ParsePostgresUrl(plain, options));
  Database database;
  database.dialect = dialect;
  database.connect = [parameters, dialect, password = options.password](ConnectionRole role) {
    return OpenPostgresConnection(parameters, dialect, role, password);
  };
  database.create_if_missing = [parameters, dialect, password = options.password] {
    return CreatePostgresDatabase(parameters, dialect, password);
  };
  return database;
}

}  // namespace

absl::StatusOr<DatabaseUrl> ParseDatabaseUrl(const std::string& url, const ConnectionOptions& options) {
  if (absl::StartsWith(url, "sqlite:")) {
    ASSIGN_OR_RETURN(const std::string path, ParseSqliteUrl(url));
    return DatabaseUrl{DatabaseType::kSqlite, path};
  }
  const std::string scheme = url.substr(0, std::min(url.find("://"), url.find('+')));
  if (!absl::StrContains(url, "://") || (scheme != "postgresql" && scheme != "postgres" && scheme != "cockroachdb")) {
    return absl::InvalidArgumentError(
        "the database URL must begin with postgresql://, postgres://, cockroachdb:// or sqlite:///");
  }
  const std::string plain = absl::StrCat("postgresql", url.substr(url.find("://")));
  ASSIGN_OR_RETURN(const PostgresParameters parameters, ParsePostgresUrl(plain, options));
  return DatabaseUrl{DatabaseType::kPostgres, parameters.Get("dbname")};
}

const std::vector<std::string>& ConnectionKeywords() {
  return PostgresKeywords();
}

absl::StatusOr<Database> OpenDatabase(const std::string& url, const std::string& schema,
                                      const ConnectionOptions& options) {
  ASSIGN_OR_RETURN(const DatabaseUrl parsed, ParseDatabaseUrl(url, options));
  if (parsed.type == DatabaseType::kPostgres && schema.empty()) {
    return absl::InvalidArgumentError("the system schema has no name; the default is \"dbos\"");
  }
  const Dialect dialect = absl::StartsWith(url, "cockroachdb") ? CockroachDialect(schema) : PostgresDialect(schema);
  ASSIGN_OR_RETURN(Database database, parsed.type == DatabaseType::kSqlite ? OpenSqlite(parsed.name)
                                                                           : OpenPostgres(url, dialect, options));
  if (options.echo != Echo::kOff) {
    database.connect = [connect = database.connect, dialect = database.dialect,
                        echo = options.echo](ConnectionRole role) { return WithEcho(connect(role), dialect, echo); };
  }
  return database;
}

}  // namespace dbos::sidecar
