// What a user may say about the connections to a database; names and defaults as the DBOS documentation has them.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dbos::sidecar {

inline constexpr absl::Duration kConnectTimeout = absl::Seconds(10);

// The password of a new connection. Blocking; an error is an outage, to be tried again.
using PasswordSource = std::function<absl::StatusOr<std::string>()>;

// Whether every statement is logged, and with what.
enum class Echo { kOff, kStatements, kParameters };

struct ConnectionOptions {
  // How long one connection may take to open, in whole seconds, unless the URL or `connect_args` say so.
  absl::Duration connect_timeout = kConnectTimeout;
  // libpq's keywords. They win over the URL's, and our defaults are for those that neither names. SQLite has none.
  std::map<std::string, std::string> connect_args;
  // Asked before each connection to a URL that holds no password. Null: libpq's own ways to find one.
  PasswordSource password;
  Echo echo = Echo::kOff;
  // A pooler that gives each transaction another session (pgbouncer's transaction mode) is in between: nothing may
  // depend on a session, neither settings nor prepared statements.
  bool through_pooler = false;
  // Whether notifications are used where the server has them; new tables get the trigger that sends them only then.
  bool notify = true;
};

// A pool of connections. Times and counts as SQLAlchemy's.
struct PoolOptions {
  int size = 20;         // connections that are kept
  int max_overflow = 0;  // opened beyond those when all are in use, closed after use
  absl::Duration timeout = absl::Seconds(30);
  absl::Duration recycle = absl::InfiniteDuration();  // older ones are replaced
  bool pre_ping = true;                               // one that lay idle is tried before it is used
};

}  // namespace dbos::sidecar
