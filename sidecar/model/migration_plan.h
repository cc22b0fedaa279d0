// MigrationPlan: a set of files beside what a database's ledger says, file by file, and whether it may run.
//
// Threads: any. Blocking: never.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "sidecar/model/migration_files.h"

namespace dbos::sidecar {

enum class MigrationState {
  kPending,      // runs next
  kApplied,      //
  kChanged,      // applied with another text or under another name
  kOutOfOrder,   // pending, below the newest one that was applied
  kInterrupted,  // not transactional; begun and never finished, or running now
  kFailed,       // not transactional; a statement failed, those before it stay
  kMissing,      // applied, and the file is gone
};
const char* ToString(MigrationState state);

// A row of the ledger.
struct AppliedMigration {
  std::string number = {};
  std::string name = {};
  std::string checksum = {};
  MigrationState state = MigrationState::kApplied;  // kApplied, kInterrupted or kFailed
  std::int64_t applied_at_ms = 0;
  std::int64_t duration_ms = 0;
  std::string error = {};  // kFailed: what the database said
};

struct MigrationEntry {
  std::string directory = {};  // of the file, if there is one
  std::string name = {};
  std::optional<std::size_t> file = {};  // its index among the files; none: kMissing
  MigrationState state = MigrationState::kPending;
  bool applied_now = false;  // by this run
  std::int64_t applied_at_ms = 0;
  std::int64_t duration_ms = 0;
  std::string problem = {};  // kChanged, kOutOfOrder, kInterrupted, kFailed: what it is and what to do
};

// What may be done beyond running what is pending. Names of files.
struct MigrationChoices {
  bool allow_out_of_order = false;
  std::vector<std::string> rerun = {};         // interrupted or failed: forget that, and run the file as it is now
  std::vector<std::string> mark_applied = {};  // take it for applied as it is now, without running it
};

// One entry for each file, in order, and one for each row whose file is gone, in its place. `files` is sorted.
std::vector<MigrationEntry> CompareMigrations(const std::vector<MigrationFile>& files,
                                              const std::vector<AppliedMigration>& ledger);

// FailedPrecondition, naming the file and the fix, when an entry forbids the run; InvalidArgument for a choice that
// names no file it can be made for.
absl::Status CheckMigrationPlan(const std::vector<MigrationEntry>& entries, const MigrationChoices& choices);

}  // namespace dbos::sidecar
