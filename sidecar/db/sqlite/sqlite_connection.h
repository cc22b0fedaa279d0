// Connection to an SQLite file, by SQLiteCpp. WAL, synchronous=FULL: an answer means durable.
//
// Threads, blocking, errors: as Connection says. Readers never block the writer.
#pragma once

#include <memory>
#include <string>

#include "sidecar/db/connection.h"

namespace dbos::sidecar {

// Opens lazily, creating the file if there is none. `path` may be kSqliteMemory.
std::unique_ptr<Connection> OpenSqliteConnection(const std::string& path, ConnectionRole role);

}  // namespace dbos::sidecar
