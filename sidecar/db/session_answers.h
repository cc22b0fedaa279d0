// What the sessions of all databases answer alike.
//
// Threads: any. Blocking: never.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/sql_session.h"

namespace dbos::sidecar {

// Part of a failure. What a user's RAISE says may be of any size, and the answer has to fit into a message: 8 KiB of
// it.
std::string FailureText(std::string_view text);

// 25P02, to what follows an `earlier` failure in its transaction.
SqlFailure AbortedBy(const SqlFailure& earlier);

// What failed before a COMMIT: Aborted instead of Unavailable.
absl::Status BeforeCommit(const absl::Status& status);
absl::Status TimeIsOver();
absl::Status TooManyRows(std::size_t bytes_max);
absl::Status NoTransaction();
absl::Status NoCursor();
absl::Status NoSavepoint();

// EncodeRows, or a failure (22021) where a cell is not UTF-8, which only bytea may be. ResourceExhausted above the
// limit.
absl::StatusOr<SqlOutcome> OutcomeOf(const SqlRows& rows, std::size_t bytes_max);

}  // namespace dbos::sidecar
