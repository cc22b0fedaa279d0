// Application versions: which versions of an application exist; the one registered last is its latest.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"

namespace dbos::sidecar {

// `ids` holds a fresh id for each registration and lives as long as the plan.
void PlanVersions(const BatchView& view, const Identity& identity, const std::vector<std::string>& ids,
                  BatchPlan& plan);

std::span<const Query* const> VersionQueries();

}  // namespace dbos::sidecar
