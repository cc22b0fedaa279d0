// Replays: inputs and recorded steps of many workflows at once.
#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

// Two round trips, one for a single request.
absl::StatusOr<std::vector<Replay>> LoadReplays(Connection& connection, const std::vector<ReplayRequest>& wanted,
                                                std::int64_t max_bytes_each);

std::span<const Query* const> ReplayQueries();

}  // namespace dbos::sidecar
