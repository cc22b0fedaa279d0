// Starts: a row of workflow_status, its input, and with a parent the parent's step, all or nothing.
#pragma once

#include <span>

#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"

namespace dbos::sidecar {

void PlanStarts(const BatchView& view, const Identity& identity, BatchPlan& plan, BatchFacts& facts);

std::span<const Query* const> StartQueries();

}  // namespace dbos::sidecar
