// Database: where a database URL leads, and how to open connections to it.
//
// URLs: postgresql://, postgres:// (as libpq has them), cockroachdb:// (another name for them),
//       sqlite:///relative/path, sqlite:////absolute/path, sqlite:///:memory: (or sqlite://).
// Threads: any; it is immutable.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"

namespace dbos::sidecar {

struct Database {
  Dialect dialect;  // as far as the URL tells; a connection knows the server's own, see Connection::ServerDialect
  std::string sqlite_path;  // empty for the others, and for memory
  bool in_memory = false;   // SQLite: nothing survives the process, no other process sees it
  std::function<std::unique_ptr<Connection>(ConnectionRole)> connect;
  std::function<absl::Status()> create_if_missing;  // the database itself, as far as this role may
};

inline constexpr absl::Duration kConnectTimeout = absl::Seconds(10);

// Opens nothing. InvalidArgument: the URL is not understood; the message names the forms, never the URL's password.
// `connect_timeout`: how long one connection may take to open, in whole seconds, unless the URL says so itself.
absl::StatusOr<Database> OpenDatabase(const std::string& url, const std::string& schema,
                                      absl::Duration connect_timeout = kConnectTimeout);

}  // namespace dbos::sidecar
