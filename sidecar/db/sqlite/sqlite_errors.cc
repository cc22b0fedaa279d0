#include "sidecar/db/sqlite/sqlite_errors.h"

#include <sqlite3.h>

#include "absl/strings/str_cat.h"

namespace dbos::sidecar {
namespace {

using absl::StatusCode;

struct Meaning {
  int code;  // an extended code, or a primary one for all of its kind
  StatusCode status;
  const char* fix = "";
};

constexpr char kLocked[] =
    "another process keeps it locked: `fuser` or `lsof` on the file names it; end its transaction, or end it";

constexpr Meaning kMeanings[] = {
    {SQLITE_CONSTRAINT_PRIMARYKEY, StatusCode::kAlreadyExists},
    {SQLITE_CONSTRAINT_UNIQUE, StatusCode::kAlreadyExists},
    {SQLITE_CONSTRAINT, StatusCode::kInvalidArgument},
    {SQLITE_TOOBIG, StatusCode::kInvalidArgument},
    {SQLITE_MISMATCH, StatusCode::kInvalidArgument},
    {SQLITE_BUSY, StatusCode::kAborted, kLocked},
    {SQLITE_LOCKED, StatusCode::kAborted, kLocked},
    {SQLITE_SCHEMA, StatusCode::kAborted},
    {SQLITE_INTERRUPT, StatusCode::kDeadlineExceeded},
    {SQLITE_FULL, StatusCode::kResourceExhausted, "free space on its disk"},
    {SQLITE_NOMEM, StatusCode::kResourceExhausted},
    {SQLITE_READONLY, StatusCode::kFailedPrecondition, "make the file and its directory writable for this user"},
    {SQLITE_NOTADB, StatusCode::kFailedPrecondition, "name another file; this one was made by something else"},
    {SQLITE_PERM, StatusCode::kPermissionDenied},
    {SQLITE_AUTH, StatusCode::kPermissionDenied},
    {SQLITE_CANTOPEN, StatusCode::kUnavailable, "check the path, and that this user may write its directory"},
    {SQLITE_IOERR, StatusCode::kUnavailable, "check its disk: errors, free space, quota"},
    {SQLITE_CORRUPT, StatusCode::kDataLoss, "look at its disk, and restore a backup"},
};

const Meaning* Find(int extended_code) {
  for (const Meaning& meaning : kMeanings) {
    if (meaning.code == extended_code || meaning.code == (extended_code & 0xFF)) return &meaning;
  }
  return nullptr;
}

}  // namespace

absl::StatusCode ClassifySqliteCode(int extended_code) {
  const Meaning* meaning = Find(extended_code);
  return meaning == nullptr ? StatusCode::kInternal : meaning->status;
}

absl::Status SqliteError(int extended_code, const std::string& message) {
  const Meaning* meaning = Find(extended_code);
  const std::string fix = meaning == nullptr || *meaning->fix == '\0' ? "" : absl::StrCat(": ", meaning->fix);
  return absl::Status(ClassifySqliteCode(extended_code), absl::StrCat("SQLite: ", message, fix));
}

}  // namespace dbos::sidecar
