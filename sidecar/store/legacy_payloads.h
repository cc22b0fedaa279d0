// The payload columns of workflow_status, which every SDK read before schema version 109 brought tables of their own.
// Written beside these tables when the configuration asks for it.
#pragma once

#include <span>

#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"

namespace dbos::sidecar {

enum class LegacyPayloads { kOff, kOn };

// After the starts and the completions.
void PlanLegacyPayloads(const BatchView& view, BatchPlan& plan);

std::span<const Query* const> LegacyPayloadQueries();

}  // namespace dbos::sidecar
