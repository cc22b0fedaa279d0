// SqlSession on SQLite. One that writes takes its turn in this process, then the write lock, with its first statement;
// one that reads keeps a snapshot and waits for nobody.
//
// Threads, blocking, errors: as SqlSession says.
#pragma once

#include <memory>
#include <string>

#include "sidecar/db/sql_session.h"

namespace dbos::sidecar {

// `path` may be kSqliteMemory.
std::unique_ptr<SqlSession> OpenSqliteSession(const std::string& path);

}  // namespace dbos::sidecar
