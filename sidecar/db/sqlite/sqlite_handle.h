// SqliteHandle: an open SQLite database that gives up when a transaction's time is over or somebody interrupts it, and
// its prepared statements.
//
// Threads:  one at a time; Interrupt from any.
// Blocking: all but Interrupt, up to the deadline.
// Errors:   throws SQLite::Exception; with SQLITE_INTERRUPT when it gave up.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "sidecar/db/sqlite/write_turns.h"

namespace dbos::sidecar {

struct FinalizeSqlite {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using SqliteStatement = std::unique_ptr<sqlite3_stmt, FinalizeSqlite>;

class SqliteHandle {
 public:
  explicit SqliteHandle(std::string path);

  const std::string& path() const { return path_; }
  bool is_open() const { return database_ != nullptr; }
  // Whether a transaction is open.
  bool in_transaction() const { return is_open() && sqlite3_get_autocommit(database_->getHandle()) == 0; }
  std::int64_t changes() const { return sqlite3_changes64(database_->getHandle()); }
  // Where in the text the last error is, in bytes; -1: unknown.
  int error_offset() const { return error_offset_; }

  void Open();
  void Close();

  // Until Idle, calls give up at `deadline`, and Interrupt reaches them.
  void Busy(absl::Time deadline);
  // True: somebody has interrupted what ran.
  bool Idle();
  void Interrupt();
  // Calls give up.
  bool IsOver() const { return stop_ || absl::Now() >= deadline_; }

  // Takes this process's turn to write; gives up as the others do.
  void TakeTurn();
  void GiveTurn() { turn_.Give(); }

  void Exec(const std::string& sql);
  SqliteStatement Prepare(const std::string& sql);
  // One that is kept, and must be reset after use.
  sqlite3_stmt* PrepareKept(const std::string& sql);
  // False: there is no further row.
  bool Step(sqlite3_stmt* statement);
  void Check(int code);

 private:
  static int GiveUp(void* self);
  static int Wait(void* self, int tries);

  const std::string path_;
  WriteTurn turn_;
  std::unique_ptr<SQLite::Database> database_;               // null: not open. Outlives the statements below.
  std::list<std::pair<std::string, SqliteStatement>> kept_;  // used last comes first
  std::unordered_map<std::string, std::list<std::pair<std::string, SqliteStatement>>::iterator> found_;
  int error_offset_ = -1;
  absl::Time deadline_ = absl::InfiniteFuture();
  absl::Time busy_until_;  // another process's lock is waited for
  std::atomic<bool> stop_ = false;

  Mutex mu_;
  bool running_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace dbos::sidecar
