// Frames of a session as calls on the engine: checked and converted on the thread that read them, run by the engine.
//
// Threads: translation on any thread; Run only inside an event of EngineLoop.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "dbos/v1/steps.pb.h"

#include "sidecar/engine/engine.h"

namespace dbos::sidecar {

struct RecordStepCall {
  std::uint64_t seq = 0;
  RecordStepRequest request;
};
struct CompleteCall {
  std::uint64_t seq = 0;
  CompleteRequest request;
};
struct RefusedCall {
  ExecutionRef execution;
  Error why;
};
struct NoRoomCall {
  ExecutionRef execution;
  std::int32_t step_id = 0;
};
struct StartCall {
  std::uint64_t seq = 0;
  StartRequest request;
};
struct AwaitCall {
  std::uint64_t seq = 0;
  AwaitRequest request;
};
struct ReleaseCall {
  ExecutionRef execution;
};
struct RegisterCall {
  std::vector<WorkflowDefinition> workflows;
};
struct CreditCall {
  std::uint32_t executions = 0;
};
struct DrainCall {};

using EngineCall = std::variant<RecordStepCall, CompleteCall, RefusedCall, NoRoomCall, StartCall, AwaitCall,
                                ReleaseCall, RegisterCall, CreditCall, DrainCall>;

// Runs the calls in order for one session, with its sink for the answers.
void Run(std::vector<EngineCall> calls, SessionId session, const std::shared_ptr<SessionSink>& sink, Engine& engine);

}  // namespace dbos::sidecar
