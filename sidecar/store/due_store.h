// What is due: claimable workflows, the per-second probe.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/store/batch_plan.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

absl::StatusOr<std::vector<std::string>> FindClaimableIds(Connection& connection, const Identity& identity,
                                                          const ClaimFilter& filter);

absl::StatusOr<Due> ProbeDue(Connection& connection, const Identity& identity, const ProbeRequest& request);

std::span<const Query* const> DueQueries();

}  // namespace dbos::sidecar
