// Migrations: the application's own numbered .sql files, which the sidecar runs on the application database.
//
// A directory holds files called NUMBER_description.sql: any number of digits, compared as a number, once in all
// directories together, which are one sequence. Each runs once, in a transaction of its own, in the order of the
// numbers; with the first line `-- dbos: no-transaction` without one (CREATE INDEX CONCURRENTLY needs that). Files that
// begin with a dot, and what is not called .sql, are not looked at.
//
// Threads:  any. Blocking: until all is done, as long as MigrationOptions::timeout. Several processes may run the same
//           files at the same time: each file runs once.
// Errors:   InvalidArgument      a directory or file that cannot be read or is not as it should be; names it and the
// fix
//           MigrationFailed      a statement failed (file, line, the database's message), or what was applied before
//                                forbids the run: a changed file, a new one below the newest, one that was interrupted
//           SidecarUnavailable   no sidecar or no database in time; what was applied stays, run it again
//           RequestRefused       other migrations run and wait already, or the database refused for another reason
// Limits:   10,000 files of 4 MiB each, 64 MiB together.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dbos {

enum class MigrationState {
  kUnknown = 0,
  kPending = 1,
  kApplied = 2,
  kChanged = 3,      // applied with another text or under another name
  kOutOfOrder = 4,   // pending, below the newest one that was applied
  kInterrupted = 5,  // without a transaction: begun and never finished, or running now
  kFailed = 6,       // without a transaction: a statement failed, those before it stay
  kMissing = 7,      // applied, and the file is gone
};

// "pending", "applied", ...
std::string_view ToString(MigrationState state);

struct MigrationInfo {
  std::string name = {};
  MigrationState state = MigrationState::kUnknown;
  bool applied_now = false;        // by this call
  std::int64_t applied_at_ms = 0;  // Unix milliseconds; 0: not applied
  std::int64_t duration_ms = 0;
  std::string problem = {};  // what stands in the way of a run, and what to do
};

struct MigrationOptions {
  // Throws where a run would not begin, and changes nothing.
  bool dry_run = false;
  // Also runs new files whose number is below the newest one that was applied.
  bool allow_out_of_order = false;
  // Names of files that failed or were interrupted without a transaction, to run again as they are now.
  std::vector<std::string> rerun = {};
  // Names of files to take for applied as they are now, without running them.
  std::vector<std::string> mark_applied = {};
  // How long to wait. The file that runs then goes on in the sidecar.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

}  // namespace dbos
