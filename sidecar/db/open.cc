#include "sidecar/db/open.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/db/echo_connection.h"
#include "sidecar/db/echo_session.h"
#include "sidecar/db/postgres/notification_listener.h"
#include "sidecar/db/postgres/postgres_database.h"
#include "sidecar/db/sqlite/sqlite_connection.h"
#include "sidecar/db/sqlite/sqlite_database.h"
#include "sidecar/db/sqlite/sqlite_session.h"

namespace dbos::sidecar {
namespace {

absl::StatusOr<DatabaseUrl> ParseSqliteUrl(const std::string& url) {
  DatabaseUrl parsed{DatabaseType::kSqlite, ""};
  if (url == "sqlite://" || url == "sqlite:///:memory:") return parsed;
  constexpr std::string_view kPath = "sqlite:///";
  if (url.starts_with(kPath)) parsed.name = url.substr(kPath.size());
  if (parsed.name.empty() || parsed.name[0] == ':' || absl::StrContains(parsed.name, "?")) {
    return absl::InvalidArgumentError(
        "a SQLite URL names a file: sqlite:///relative/path.sqlite or sqlite:////absolute/path.sqlite; "
        "sqlite:///:memory: is for tests");
  }
  return parsed;
}

Database OpenSqlite(const std::string& name) {
  const std::string path = name.empty() ? kSqliteMemory : name;
  Database database;
  database.dialect = SqliteDialect();
  database.sqlite_path = name;
  database.in_memory = name.empty();
  database.connect = [path](ConnectionRole role) { return OpenSqliteConnection(path, role); };
  database.open_session = [path] { return OpenSqliteSession(path); };
  database.create_if_missing = [] { return absl::OkStatus(); };
  return database;
}

absl::StatusOr<Database> OpenPostgres(const std::string& url, const Dialect& dialect,
                                      const ConnectionOptions& options) {
  const std::string plain = absl::StrCat("postgresql", url.substr(url.find("://")));
  ASSIGN_OR_RETURN(const PostgresParameters parameters, ParsePostgresUrl(plain, options));
  Database database;
  database.dialect = dialect;
  if (!options.notify) database.dialect.notify = Dialect::Notify::kNo;
  database.connect = [parameters, dialect, password = options.password](ConnectionRole role) {
    return OpenPostgresConnection(parameters, dialect, role, password);
  };
  database.open_session = OpenPostgresSessions(parameters, options.password, dialect.schema_name);
  database.create_if_missing = [parameters, dialect, password = options.password] {
    return CreatePostgresDatabase(parameters, dialect, password);
  };
  if (!options.notify) return database;
  database.listen = [parameters, password = options.password](ListenOptions listen) {
    return ListenOnPostgres(parameters, password, std::move(listen));
  };
  return database;
}

}  // namespace

absl::StatusOr<DatabaseUrl> ParseDatabaseUrl(const std::string& url, const ConnectionOptions& options) {
  if (absl::StartsWith(url, "sqlite:")) return ParseSqliteUrl(url);
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
    database.open_session = [open = database.open_session, echo = options.echo] { return WithEcho(open(), echo); };
  }
  return database;
}

}  // namespace dbos::sidecar
