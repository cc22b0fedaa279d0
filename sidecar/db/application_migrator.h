// ApplicationMigrator: runs a user's migrations on an application database.
//
// Invariants, whatever is killed, cut off or started twice:
//  1. A file's row in the ledger and the file's changes commit together, or neither does. The row comes first: another
//     migrator that has the same file in mind waits at its key, and then finds it applied.
//  2. So a transactional file runs to its end once, and one that did not leaves nothing.
//  3. A file that runs without a transaction has a row before its first statement. One that was not finished is never
//     run again unless somebody says so.
//  4. Files run in the order of their numbers, each in a session of its own, so that the settings one leaves do not
//     change what the next one means. Nothing runs when any file is refused beforehand.
//  5. Nothing that was applied is touched.
// An advisory lock only puts migrators in a line, so that they do not fail on each other.
//
// Threads:  any; migrators of any number of processes may run at once.
// Blocking: until done; up to MigrationRun::lock_wait for others.
// Errors:   InvalidArgument     a statement that a migration may not have, or a choice for no file
//           FailedPrecondition  the ledger forbids the run, or a statement failed: file, line, what the database says
//           Unavailable         no connection, another migrator does not finish, or `stopping`; run it again
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/db/open.h"
#include "sidecar/model/migration_plan.h"

namespace dbos::sidecar {

struct MigrationRun {
  MigrationChoices choices = {};
  absl::Duration lock_wait = absl::Seconds(60);
  // Asked before each file; empty: never.
  std::function<bool()> stopping = {};
};

// Runs what is pending. Creates the database where it is missing and the role may. Every file with its state now.
absl::StatusOr<std::vector<MigrationEntry>> RunMigrations(const Database& database,
                                                          const std::vector<MigrationFile>& files,
                                                          const MigrationRun& run);

// Every file with its state. Creates and changes nothing.
absl::StatusOr<std::vector<MigrationEntry>> InspectMigrations(const Database& database,
                                                              const std::vector<MigrationFile>& files);

// Whether RunMigrations would begin, given what InspectMigrations found.
absl::Status CheckMigrations(const Database& database, const std::vector<MigrationFile>& files,
                             const std::vector<MigrationEntry>& entries, const MigrationChoices& choices);

}  // namespace dbos::sidecar
