// What PostgreSQL's error codes mean to us: one table.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dbos::sidecar {

// `sqlstate` empty: libpq itself failed, so the connection is gone.
absl::StatusCode ClassifySqlState(std::string_view sqlstate);

// True when the session cannot be used any longer, or its prepared statements cannot.
bool NeedsReconnect(std::string_view sqlstate);

// True for a serialization failure or a deadlock: the transaction was rolled back, and the same one may succeed now.
bool IsConflict(const absl::Status& status);

absl::Status PostgresError(const std::string& sqlstate, const std::string& message);

}  // namespace dbos::sidecar
