#include "sidecar/db/sqlite/sqlite_handle.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/db/dialect.h"
#include "sidecar/db/sqlite/sqlite_file.h"

namespace dbos::sidecar {
namespace {

constexpr int kOperationsBetweenLooks = 1000;  // of SQLite's machine, at time and interrupts
constexpr std::size_t kKeptMax = 256;

}  // namespace

SqliteHandle::SqliteHandle(std::string path) : path_(std::move(path)), turn_(WriteTurns::Of(path_)) {
}

void SqliteHandle::Open() {
  if (database_ != nullptr) return;
  database_ = OpenSqliteFile(path_, SqliteAccess::kRead, SqliteDialect().session_settings);
  sqlite3_progress_handler(database_->getHandle(), kOperationsBetweenLooks, GiveUp, this);
  sqlite3_busy_handler(database_->getHandle(), Wait, this);
}

void SqliteHandle::Close() {
  found_.clear();
  kept_.clear();
  database_.reset();
  GiveTurn();
}

void SqliteHandle::Busy(absl::Time deadline) {
  deadline_ = deadline;
  busy_until_ = std::min(deadline, absl::Now() + kSqliteBusy);
  MutexLock lock(mu_);
  running_ = true;
}

bool SqliteHandle::Idle() {
  deadline_ = absl::InfiniteFuture();
  MutexLock lock(mu_);
  running_ = false;
  return stop_.exchange(false);
}

void SqliteHandle::Interrupt() {
  MutexLock lock(mu_);
  if (!running_) return;
  stop_ = true;
  turn_.Wake();
}

void SqliteHandle::TakeTurn() {
  if (!turn_.Take(deadline_, &stop_)) throw SQLite::Exception("interrupted", SQLITE_INTERRUPT);
  busy_until_ = std::min(deadline_, absl::Now() + kSqliteBusy);
}

int SqliteHandle::GiveUp(void* self) {
  return static_cast<SqliteHandle*>(self)->IsOver() ? 1 : 0;
}

int SqliteHandle::Wait(void* self, int tries) {
  const auto* handle = static_cast<SqliteHandle*>(self);
  if (handle->stop_ || absl::Now() >= handle->busy_until_) return 0;
  sqlite3_sleep(std::min(1 << std::min(tries, 4), 10));
  return 1;
}

void SqliteHandle::Check(int code) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  error_offset_ = sqlite3_error_offset(database_->getHandle());
  throw SQLite::Exception(database_->getHandle(), code);
}

void SqliteHandle::Exec(const std::string& sql) {
  Check(sqlite3_exec(database_->getHandle(), sql.c_str(), nullptr, nullptr, nullptr));
}

SqliteStatement SqliteHandle::Prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  Check(
      sqlite3_prepare_v3(database_->getHandle(), sql.c_str(), static_cast<int>(sql.size() + 1), 0, &statement, &rest));
  SqliteStatement prepared(statement);
  const bool more = rest != nullptr && std::string_view(rest).find_first_not_of(" \t\r\n\f") != std::string_view::npos;
  if (statement != nullptr && !more) return prepared;
  error_offset_ = more ? static_cast<int>(rest - sql.c_str()) : -1;
  throw SQLite::Exception("syntax error: not one statement", SQLITE_ERROR);
}

sqlite3_stmt* SqliteHandle::PrepareKept(const std::string& sql) {
  const auto found = found_.find(sql);
  if (found != found_.end()) {
    kept_.splice(kept_.begin(), kept_, found->second);
    return kept_.front().second.get();
  }
  kept_.emplace_front(sql, Prepare(sql));
  found_.emplace(sql, kept_.begin());
  if (kept_.size() > kKeptMax) {
    found_.erase(kept_.back().first);
    kept_.pop_back();
  }
  return kept_.front().second.get();
}

bool SqliteHandle::Step(sqlite3_stmt* statement) {
  const int code = sqlite3_step(statement);
  Check(code);
  return code == SQLITE_ROW;
}

}  // namespace dbos::sidecar
