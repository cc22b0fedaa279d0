// MigrationLock: the turn of one migrator on a database, held as its Dialect says.
//
// By row: `migration_lock` in our own schema holds who migrates and until when. A migrator renews it before each step,
// so one that died is waited for 45 s at most. A step that takes longer than that can meet a second migrator; the steps
// bear it, because repeating one does no harm and versions never go backwards.
//
// Threads:  one at a time.
// Blocking: Take for up to 60 s.
// Errors:   Unavailable  another migrator holds it for too long, or took it over
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"

namespace dbos::sidecar {

class MigrationLock {
 public:
  MigrationLock(const Dialect& dialect, Connection& connection);

  absl::Status Take();
  absl::Status Renew();
  // Commits, where the lock is a transaction. An advisory lock goes with the connection.
  absl::Status Release();

 private:
  absl::StatusOr<bool> TryTake();
  absl::StatusOr<bool> TryRow();

  const Dialect& dialect_;
  Connection& connection_;
  const std::string holder_;
};

}  // namespace dbos::sidecar
