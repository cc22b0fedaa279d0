// The system database as the server sees it: locked, migrated and ready, or not.
//
// Blocking: yes, up to the configured wait.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/database_url.h"
#include "sidecar/server/config.h"
#include "sidecar/server/file_lock.h"
#include "sidecar/server/signals.h"
#include "sidecar/store/open_storage.h"

namespace dbos::sidecar {

// What the configuration says about connections, to whichever database.
ConnectionOptions ConnectionOptionsOf(const Config& config);

// A SQLite file has one writing process: "<file>.lock". Null for databases that serve many.
absl::StatusOr<std::unique_ptr<FileLock>> LockDatabase(const Config& config);

// Creates or migrates the schema; the version it has afterwards. Tries again and again for `config.database_wait` while
// the database cannot be reached. A signal to stop ends it with Cancelled, at once and whatever the server does: a
// connection attempt may then be left behind on a thread, and the process is to end.
absl::StatusOr<int> AwaitDatabase(const Config& config, Signals& signals);

// NotFound, with the fix, unless the database exists and has our tables. Creates and changes nothing.
absl::Status RequireDatabase(const Config& config);

absl::StatusOr<SystemStorage> OpenSystemStorage(const Config& config, const std::string& executor_id);

}  // namespace dbos::sidecar
