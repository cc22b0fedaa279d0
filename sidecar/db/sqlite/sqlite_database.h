// Where a SQLite URL leads: a file, after a look at what would keep SQLite from it, or memory.
//
// Threads: any. Blocking: CheckSqliteFile asks the file system.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dbos::sidecar {

// The path of an in-memory database: one for all connections of the process, until the process ends.
inline constexpr char kSqliteMemory[] = ":memory:";

// The path in sqlite:///relative, sqlite:////absolute, or kSqliteMemory for sqlite:///:memory: and sqlite://.
// InvalidArgument: it names no file; the message shows the forms.
absl::StatusOr<std::string> ParseSqliteUrl(const std::string& url);

// FailedPrecondition, naming the path and the fix, for what SQLite cannot use or says little about: a missing
// directory, a directory, a network file system, one that is read-only, no right to write. The file may be missing.
absl::Status CheckSqliteFile(const std::string& path);

// The name of a network file system by statfs's magic number, or null for any other. SQLite's WAL is memory shared by
// the processes of one machine: on these, two machines would destroy the database.
const char* NetworkFileSystem(std::uint32_t magic);

}  // namespace dbos::sidecar
