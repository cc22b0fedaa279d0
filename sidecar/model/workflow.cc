#include "sidecar/model/workflow.h"

#include <array>
#include <utility>

namespace dbos::sidecar {
namespace {

using Status = WorkflowStatus;

constexpr std::array<std::pair<Status, const char*>, 7> kNames = {{
    {Status::kPending, "PENDING"},
    {Status::kSuccess, "SUCCESS"},
    {Status::kError, "ERROR"},
    {Status::kCancelled, "CANCELLED"},
    {Status::kMaxRecoveryAttemptsExceeded, "MAX_RECOVERY_ATTEMPTS_EXCEEDED"},
    {Status::kEnqueued, "ENQUEUED"},
    {Status::kDelayed, "DELAYED"},
}};

}  // namespace

const char* ToString(WorkflowStatus status) {
  for (const auto& [value, name] : kNames) {
    if (value == status) return name;
  }
  return "";
}

WorkflowStatus ParseWorkflowStatus(std::string_view text) {
  for (const auto& [value, name] : kNames) {
    if (text == name) return value;
  }
  return Status::kUnknown;
}

bool IsTerminal(WorkflowStatus status) {
  return status == Status::kSuccess || status == Status::kError || status == Status::kCancelled ||
         status == Status::kMaxRecoveryAttemptsExceeded;
}

}  // namespace dbos::sidecar
