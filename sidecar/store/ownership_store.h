// Ownership of executions: claims, take-overs, hand-backs, dead letters, recovery at start-up.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"

namespace dbos::sidecar {

void PlanClaims(const BatchView& view, const Identity& identity, BatchPlan& plan);
void PlanTakeOvers(const BatchView& view, BatchPlan& plan);
void PlanHandBacks(const BatchView& view, BatchPlan& plan, const BatchFacts& facts);
void PlanDeadLetters(const BatchView& view, BatchPlan& plan, const BatchFacts& facts);

// PENDING workflows of this executor.
absl::StatusOr<std::vector<ExecutionRef>> FindRecoverable(Connection& connection, const Identity& identity);

// `found` are the executions to recover; they are checked again when written, and live as long as the plan.
void PlanRecovery(RecoverOp& op, const std::vector<ExecutionRef>& found, BatchPlan& plan);

std::span<const Query* const> OwnershipQueries();

}  // namespace dbos::sidecar
