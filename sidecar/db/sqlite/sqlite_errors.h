// What SQLite's result codes mean to us: one table.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace dbos::sidecar {

absl::StatusCode ClassifySqliteCode(int extended_code);

absl::Status SqliteError(int extended_code, const std::string& message);

}  // namespace dbos::sidecar
