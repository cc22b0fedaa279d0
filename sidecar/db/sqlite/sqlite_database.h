// Where SQLite databases can be: in a file, after a look at what would keep SQLite from it, or in memory.
//
// Threads: any. Blocking: CheckSqliteFile asks the file system.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace dbos::sidecar {

// The path of an in-memory database: one for all connections of the process, until the process ends.
inline constexpr char kSqliteMemory[] = ":memory:";

// FailedPrecondition, naming the path and the fix, for what SQLite cannot use or says little about: a missing
// directory, a directory, a network file system, one that is read-only, no right to write. The file may be missing.
absl::Status CheckSqliteFile(const std::string& path);

// The name of a network file system by statfs's magic number, or null for any other. SQLite's WAL is memory shared by
// the processes of one machine: on these, two machines would destroy the database.
const char* NetworkFileSystem(std::uint32_t magic);

}  // namespace dbos::sidecar
