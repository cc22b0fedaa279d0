// Workflows, executions and payloads as plain records, shared by store, engine and rpc. No behaviour.
//
// Threads:  values; no sharing.
// Source:   the DBOS system database at schema version 123.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dbos::sidecar {

inline constexpr char kPortableJson[] = "portable_json";
inline constexpr char kInternalQueue[] = "_dbos_internal_queue";
inline constexpr std::int64_t kDefaultMaxRecoveryAttempts = 100;

// A stored value: the text is the truth and is never re-serialised.
struct Payload {
  std::string data;
  std::string serialization = kPortableJson;  // DBOS format name
};

struct Outcome {
  enum class Kind { kValue, kError };
  Kind kind = Kind::kValue;
  Payload payload;
};

// One execution of one workflow; the token is `owner_xid`.
struct ExecutionRef {
  std::string workflow_id;
  std::string owner_token;
};

enum class WorkflowStatus {
  kUnknown,
  kPending,
  kSuccess,
  kError,
  kCancelled,
  kMaxRecoveryAttemptsExceeded,
  kEnqueued,
  kDelayed,
};

// The text in the `status` column. kUnknown has none.
const char* ToString(WorkflowStatus status);
WorkflowStatus ParseWorkflowStatus(std::string_view text);
bool IsTerminal(WorkflowStatus status);

// A row of workflow_status with its payloads. Times are Unix milliseconds of the database clock.
struct WorkflowRecord {
  std::string workflow_id;
  WorkflowStatus status = WorkflowStatus::kUnknown;
  std::string name;
  std::string class_name;
  std::string config_name;
  std::optional<Payload> input;
  std::optional<Outcome> outcome;
  std::string executor_id;
  std::string queue_name;
  std::string application_name;
  std::string application_version;
  std::string parent_workflow_id;
  std::string forked_from;
  std::string owner_token;
  std::int64_t recovery_attempts = 0;
  std::int64_t created_at_ms = 0;
  std::int64_t updated_at_ms = 0;
  std::int64_t started_at_ms = 0;
  std::int64_t completed_at_ms = 0;
  std::int64_t timeout_ms = 0;
  std::int64_t deadline_ms = 0;
};

}  // namespace dbos::sidecar
