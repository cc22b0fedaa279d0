// What the doors ask of the engine, as plain records. The rpc layer has validated sizes and text (rpc/validate.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/model/batch.h"
#include "sidecar/model/step.h"
#include "sidecar/model/workflow.h"

namespace dbos::sidecar {

// Names one session for its life; minted by the rpc layer, never 0.
using SessionId = std::uint64_t;
inline constexpr SessionId kNoSession = 0;

struct WorkflowDefinition {
  std::string name;
  std::int64_t max_recovery_attempts = kDefaultMaxRecoveryAttempts;
};

struct HelloRequest {
  std::string application_version;
  std::string incarnation;
  std::vector<WorkflowDefinition> workflows;
  std::uint32_t credit = 0;
  std::vector<ExecutionRef> resume;
  bool pinged = true;  // false for Subscribe: its stream is the only liveness signal
};

struct StartRequest {
  std::string workflow_id;  // empty: generated, or derived from the parent's step
  std::string name;
  Payload input;
  std::string request_token;  // empty: minted
  std::int64_t timeout_ms = 0;
  std::string application_version;
  std::optional<StartOp::Parent> parent;
};

struct RecordStepRequest {
  ExecutionRef execution;
  StepRecord step;
};

struct CompleteRequest {
  ExecutionRef execution;
  Outcome outcome;
};

struct AwaitRequest {
  std::string workflow_id;
  std::int64_t timeout_ms = 0;            // 0: no limit
  std::optional<ExecutionRef> execution;  // the execution that waits
};

// What is known here of an execution.
struct ExecutionStanding {
  Error refusal;  // why an operation of it would be refused; ok for one that is not known
  bool first_run =
      false;  // no execution of its workflow before it counts, so none of its steps is expected to be there
};

}  // namespace dbos::sidecar
