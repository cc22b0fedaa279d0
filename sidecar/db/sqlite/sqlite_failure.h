// What SQLite has against a statement, with the codes that PostgreSQL has for it.
//
// Threads: any. Blocking: never.
#pragma once

#include <string>

#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

// Empty: it is no fault of a statement, but of the database or its disk.
std::string SqlStateOf(int extended_code, const std::string& message);

// With the names that the message holds.
SqlFailure SqliteFailure(int extended_code, const std::string& message);

}  // namespace dbos::sidecar
