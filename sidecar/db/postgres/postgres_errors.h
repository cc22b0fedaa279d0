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

// True when a prepared statement of ours is gone, or there already: a pooler has changed the session under us.
bool IsOfSharedSession(std::string_view sqlstate);

// 0A000 has two meanings. Of a new statement: the server cannot do that. Of a prepared one (this is PostgresError's): a
// table has other columns since, which passes with the session.
bool IsNotImplemented(std::string_view sqlstate);
absl::Status NotImplementedError(const std::string& message);

// True for a serialization failure or a deadlock: the transaction was rolled back, and the same one may succeed now.
bool IsConflict(const absl::Status& status);

absl::Status PostgresError(const std::string& sqlstate, const std::string& message);

// No connection came about. `message`: libpq's, which has no SQLSTATE. FailedPrecondition, with the parameter to
// change, when it is known that trying again cannot help; Unavailable otherwise.
absl::Status ConnectError(const std::string& message);

}  // namespace dbos::sidecar
