#include "sidecar/db/migration_lock.h"

#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "sidecar/base/ids.h"
#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kWaitMax = absl::Seconds(60);
constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr std::int64_t kRowLeaseMs = 45'000;  // shorter than the wait: a dead migrator's successor gets its turn

// The same number that the SDKs use. It is polled for: a session that waits for it inside a statement would hold a
// snapshot, on which a concurrent index build of the other migrator waits in turn.
constexpr char kTryAdvisory[] = "SELECT pg_try_advisory_lock(1234567890)";

constexpr char kMakeTable[] = R"(
CREATE SCHEMA IF NOT EXISTS {sidecar_schema_name};
CREATE TABLE IF NOT EXISTS {sidecar_schema}migration_lock (
  id INT4 NOT NULL,
  holder TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  CONSTRAINT migration_lock_pkey PRIMARY KEY (id)
))";

constexpr Query kTryRow = {
    .name = "take_migration_lock",
    .args = "holder text, lease bigint",
    .rows = "",
    .sql = R"(
INSERT INTO {sidecar_schema}migration_lock AS l (id, holder, expires_at) VALUES (1, $1, {now_ms} + $2)
ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE l.holder = excluded.holder OR l.expires_at < {now_ms}
RETURNING l.id)",
};

constexpr Query kReleaseRow = {
    .name = "release_migration_lock",
    .args = "holder text",
    .rows = "",
    .sql = "DELETE FROM {sidecar_schema}migration_lock WHERE holder = $1",
};

}  // namespace

MigrationLock::MigrationLock(const Dialect& dialect, Connection& connection)
    : dialect_(dialect), connection_(connection), holder_(RandomUuid()) {
}

absl::Status MigrationLock::Take() {
  const absl::Time give_up = absl::Now() + kWaitMax;
  while (true) {
    ASSIGN_OR_RETURN(const bool taken, TryTake());
    if (taken) return absl::OkStatus();
    if (absl::Now() > give_up) {
      return absl::UnavailableError("another process has been migrating this database for 60 s; try again later");
    }
    absl::SleepFor(kPoll);  // paces the polling of the lock
  }
}

absl::StatusOr<bool> MigrationLock::TryTake() {
  if (dialect_.migration_lock == Dialect::MigrationLock::kRow) return TryRow();
  const bool advisory = dialect_.migration_lock == Dialect::MigrationLock::kAdvisory;
  const absl::StatusOr<Result> locked = connection_.RunScript(advisory ? kTryAdvisory : "BEGIN IMMEDIATE");
  if (absl::IsAborted(locked.status())) return false;
  RETURN_IF_ERROR(locked.status());
  return !advisory || (*locked)[0].Bool(0);
}

absl::StatusOr<bool> MigrationLock::TryRow() {
  const Statement take(kTryRow, {std::string_view(holder_), kRowLeaseMs});
  absl::StatusOr<Result> taken = connection_.Execute(take);
  if (absl::IsFailedPrecondition(taken.status())) {  // no such table
    const std::string name = dialect_.sidecar_schema.substr(0, dialect_.sidecar_schema.size() - 1);
    const std::string make = absl::StrReplaceAll(kMakeTable, {{"{sidecar_schema_name}", name}});
    const absl::Status made = connection_.RunScript(ExpandSql(dialect_, make)).status();
    if (!made.ok() && !absl::IsAlreadyExists(made)) return made;  // that: another migrator made it meanwhile
    taken = connection_.Execute(take);
  }
  if (absl::IsAborted(taken.status())) return false;
  RETURN_IF_ERROR(taken.status());
  return taken->size() > 0;
}

absl::Status MigrationLock::Renew() {
  if (dialect_.migration_lock != Dialect::MigrationLock::kRow) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool still, TryRow());
  if (still) return absl::OkStatus();
  return absl::UnavailableError("another process has taken over the migration of this database, which took too long");
}

absl::Status MigrationLock::Release() {
  switch (dialect_.migration_lock) {
    case Dialect::MigrationLock::kAdvisory:
      return absl::OkStatus();
    case Dialect::MigrationLock::kTransaction:
      return connection_.RunScript("COMMIT").status();
    case Dialect::MigrationLock::kRow:
      return connection_.Execute(Statement(kReleaseRow, {std::string_view(holder_)})).status();
  }
  return absl::OkStatus();
}

}  // namespace dbos::sidecar
