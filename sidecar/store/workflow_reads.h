// Reads of workflows with their payloads: outcomes of many, one by id, lists.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/store/batch_plan.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

absl::StatusOr<std::vector<WorkflowRecord>> ReadOutcomesOf(Connection& connection,
                                                           const std::vector<std::string>& workflow_ids);

absl::StatusOr<std::optional<WorkflowRecord>> ReadWorkflowById(Connection& connection, const std::string& workflow_id);

absl::StatusOr<std::vector<WorkflowRecord>> ListWorkflowsOf(Connection& connection, const Identity& identity,
                                                            const WorkflowFilter& filter);

std::span<const Query* const> WorkflowQueries();

}  // namespace dbos::sidecar
