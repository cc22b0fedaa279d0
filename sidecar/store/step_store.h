// Steps: rows of operation_outputs.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/model/step.h"
#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

// Records steps of executions that own their workflows. The first record of a step stands; `facts` gets what is stored.
void PlanSteps(const BatchView& view, const Identity& identity, BatchPlan& plan, BatchFacts& facts);

// These steps with their values; those that are not recorded are absent.
absl::StatusOr<std::map<StepKey, StepRecord>> ReadSteps(Connection& connection, const std::vector<StepKey>& keys);

absl::StatusOr<StepPage> ListStepsOf(Connection& connection, const StepFilter& filter);

// A row whose columns are DBOS_STEP_COLUMNS.
StepRecord ReadStepColumns(const Result::Row& row);

std::span<const Query* const> StepQueries();

}  // namespace dbos::sidecar

// A macro, because adjacent string literals are the only way to share a piece of a constant SQL text.
#define DBOS_STEP_COLUMNS                                                                              \
  " workflow_uuid, function_id, function_name, output, error, child_workflow_id, started_at_epoch_ms," \
  " completed_at_epoch_ms, serialization "
