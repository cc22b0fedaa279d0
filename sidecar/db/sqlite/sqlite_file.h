// Opening SQLite databases, for all that use them.
//
// Threads: any. Blocking: where another process holds a lock.
#pragma once

#include <memory>
#include <string>

#include <SQLiteCpp/SQLiteCpp.h>

#include "absl/time/time.h"

namespace dbos::sidecar {

// How long a lock that another process holds is waited for: less than the engine is patient, which then knows what to
// say.
inline constexpr absl::Duration kSqliteBusy = absl::Seconds(3);

enum class SqliteAccess {
  kWrite,    // created if there is none; not being able to write is an error
  kRead,     // the same, but for a caller that does not write
  kInspect,  // never created or changed
};

// With `settings` applied, and the functions that the statements of the store need. Throws SQLite::Exception.
std::unique_ptr<SQLite::Database> OpenSqliteFile(const std::string& path, SqliteAccess access,
                                                 const std::string& settings);

}  // namespace dbos::sidecar
