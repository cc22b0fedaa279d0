// Outcomes: the end of a workflow, in workflow_status and workflow_output.
#pragma once

#include <span>

#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"

namespace dbos::sidecar {

void PlanCompletions(const BatchView& view, BatchPlan& plan, BatchFacts& facts);

std::span<const Query* const> OutcomeQueries();

}  // namespace dbos::sidecar
