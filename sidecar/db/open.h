// Database: where a database URL leads, and how to open connections to it.
//
// URLs: postgresql://user:password@host:port/database?parameter=value, as libpq has it (several hosts, IPv6,
// directories of Unix sockets); postgres:// and postgresql+DRIVER:// (as SQLAlchemy writes it) are the same, and so is
// cockroachdb://. sqlite:///relative/path, sqlite:////absolute/path; sqlite:// and sqlite:///:memory: are in memory.
//
// Threads: any; it is immutable.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"
#include "sidecar/db/notifications.h"
#include "sidecar/db/options.h"
#include "sidecar/db/sql_session.h"

namespace dbos::sidecar {

enum class DatabaseType { kPostgres, kSqlite };

struct DatabaseUrl {
  DatabaseType type = DatabaseType::kPostgres;
  std::string name;  // PostgreSQL's database; SQLite's path, empty for one in memory
};
// InvalidArgument names the fix and never holds a password.
absl::StatusOr<DatabaseUrl> ParseDatabaseUrl(const std::string& url, const ConnectionOptions& options = {});

// What `connect_args` and the parameters of a URL may be called.
const std::vector<std::string>& ConnectionKeywords();

struct Database {
  Dialect dialect;  // as far as the URL tells; a connection knows the server's own, see Connection::ServerDialect
  std::string sqlite_path;  // empty for the others, and for memory
  bool in_memory = false;   // SQLite: nothing survives the process, no other process sees it
  std::function<std::unique_ptr<Connection>(ConnectionRole)> connect;
  std::function<std::unique_ptr<SqlSession>()> open_session;
  std::function<absl::Status()> create_if_missing;  // the database itself, as far as this role may
  // Null where there are no notifications, or none are wanted; that a server has none, a listener finds out.
  std::function<std::unique_ptr<NotificationListener>(ListenOptions)> listen;
};

// Opens nothing. InvalidArgument: the URL or the options are not understood; the message never holds a password.
absl::StatusOr<Database> OpenDatabase(const std::string& url, const std::string& schema,
                                      const ConnectionOptions& options = {});

}  // namespace dbos::sidecar
