// Cancellation, by a caller or by the deadline. An execution learns of it at its next write, or from the probe.
#pragma once

#include <span>

#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"

namespace dbos::sidecar {

void PlanCancels(const BatchView& view, BatchPlan& plan);
void PlanExpirations(const BatchView& view, const Identity& identity, BatchPlan& plan);

std::span<const Query* const> CancelQueries();

}  // namespace dbos::sidecar
