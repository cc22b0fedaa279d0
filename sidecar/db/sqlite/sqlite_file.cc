#include "sidecar/db/sqlite/sqlite_file.h"

#include <sqlite3.h>

#include "absl/time/clock.h"

#include "sidecar/base/check.h"
#include "sidecar/db/sqlite/sqlite_database.h"

namespace dbos::sidecar {
namespace {

// Where two connections switch a new file to WAL at once, SQLite tells one of them that it is busy, without waiting. A
// lock that somebody holds it waits for by itself.
void ApplySettings(SQLite::Database& database, const std::string& settings) {
  constexpr int kPauseMs = 10;
  const auto give_up = absl::Now() + kSqliteBusy;
  while (true) {
    try {
      database.exec(settings);
      return;
    } catch (const SQLite::Exception& error) {
      if (error.getErrorCode() != SQLITE_BUSY || absl::Now() >= give_up) throw;
    }
    sqlite3_sleep(kPauseMs);
  }
}

// The bytes of a text, as in PostgreSQL. SQLite has it since 3.43; its LENGTH counts characters.
void OctetLength(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  if (sqlite3_value_type(values[0]) != SQLITE_NULL) sqlite3_result_int(context, sqlite3_value_bytes(values[0]));
}

// What SQLite is given to open. Its VFS `memdb` shares a database whose name begins with a slash between the
// connections of a process, with the locks of a file; the last one to close takes it along, so the first stays open for
// ever.
std::string NameOf(const std::string& path) {
  if (path != kSqliteMemory) return path;
  static constexpr char kName[] = "file:/dbos?vfs=memdb";
  static const auto* const keeper =
      new SQLite::Database(kName, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_URI);
  DBOS_CHECK(keeper->getHandle() != nullptr);
  return kName;
}

}  // namespace

std::unique_ptr<SQLite::Database> OpenSqliteFile(const std::string& path, SqliteAccess access,
                                                 const std::string& settings) {
  const bool inspects = access == SqliteAccess::kInspect;
  const int flags = inspects ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE;
  auto database =
      std::make_unique<SQLite::Database>(NameOf(path), flags | (path == kSqliteMemory ? SQLite::OPEN_URI : 0));
  sqlite3_extended_result_codes(database->getHandle(), 1);
  // A name in quotes that is no column's is a mistake, and not a text.
  sqlite3_db_config(database->getHandle(), SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(database->getHandle(), SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_create_function(database->getHandle(), "octet_length", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                          OctetLength, nullptr, nullptr);
  // Before the pragmas: switching to WAL takes a lock.
  database->setBusyTimeout(static_cast<int>(absl::ToInt64Milliseconds(kSqliteBusy)));
  if (!settings.empty()) ApplySettings(*database, settings);
  // SQLite opens a file that it may not write for reading, and would say so at the first write only.
  if (access == SqliteAccess::kWrite && sqlite3_db_readonly(database->getHandle(), "main") == 1) {
    throw SQLite::Exception("attempt to write a readonly database", SQLITE_READONLY);
  }
  return database;
}

}  // namespace dbos::sidecar
