// WorkflowInfo, StepInfo: what the system database says of a workflow and of its steps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dbos/errors.h>

namespace dbos {

enum class WorkflowStatus {
  kUnknown = 0,
  kPending = 1,
  kSuccess = 2,
  kError = 3,
  kCancelled = 4,
  kMaxRecoveryAttemptsExceeded = 5,
  kEnqueued = 6,
  kDelayed = 7,
};

// The name as DBOS stores it: "PENDING", "SUCCESS", ...
std::string_view ToString(WorkflowStatus status);

// Times are Unix milliseconds, 0 for none. Texts are JSON when the workflow is portable_json, opaque otherwise.
struct WorkflowInfo {
  std::string workflow_id = {};
  WorkflowStatus status = WorkflowStatus::kUnknown;
  std::string name = {};
  std::optional<std::string> input = {};
  std::optional<std::string> output = {};
  std::optional<ErrorRecord> error = {};
  std::string executor_id = {};
  std::string queue_name = {};
  std::string application_name = {};
  std::string application_version = {};
  std::string parent_workflow_id = {};
  std::string forked_from = {};
  std::int64_t recovery_attempts = 0;
  std::int64_t created_at_ms = 0;
  std::int64_t updated_at_ms = 0;
  std::int64_t started_at_ms = 0;
  std::int64_t completed_at_ms = 0;
  std::int64_t timeout_ms = 0;
  std::int64_t deadline_ms = 0;
};

struct StepInfo {
  std::int32_t step_id = 0;
  std::string name = {};
  std::optional<std::string> output = {};
  std::optional<ErrorRecord> error = {};
  std::string child_workflow_id = {};
  std::int64_t started_at_ms = 0;
  std::int64_t completed_at_ms = 0;
};

// Filters are ANDed; empty means all.
struct ListOptions {
  std::vector<WorkflowStatus> status = {};
  std::string name = {};
  std::string workflow_id_prefix = {};
  std::string application_version = {};
  std::uint32_t limit = 100;  // at most 1000
  std::uint32_t offset = 0;
  bool oldest_first = false;
  bool with_input = false;
  bool with_outcome = false;
};

}  // namespace dbos
