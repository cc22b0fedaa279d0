// Door: one way into the sidecar for a process that runs workflows, written with nothing but generated stubs. Every
// scenario of the conformance suite runs through both.
//
// Threads:  one caller at a time. Blocking: every call, for 10 s at most.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/channel.h>

#include "dbos/v1/steps.grpc.pb.h"
#include "dbos/v1/workflows.grpc.pb.h"

namespace dbos::sidecar {

// `reason` is the name of the refusal, empty when the request was accepted: "REASON_FENCED".
struct Answer {
  std::string reason;
  std::string message;

  bool ok() const { return reason.empty(); }
};

struct Attachment {
  std::vector<std::string> workflows = {"checkout"};
  std::uint32_t credit = 10;
  std::int32_t max_recovery_attempts = 0;
  std::string version = "conformance-1";
  std::string incarnation = {};  // empty: a fresh one
  std::string application = "conformance";
  std::vector<v1::ExecutionRef> resume = {};  // sessions only
};

class Door {
 public:
  virtual ~Door() = default;

  // Attaches this process; an answer that is not ok is the sidecar's refusal of it.
  virtual Answer Attach(const Attachment& attachment) = 0;
  // As if the process had died.
  virtual void Detach() = 0;

  // The next execution to run, with its whole replay; none if there is none in time.
  virtual std::optional<v1::Execution> Next(int timeout_ms = 10'000) = 0;
  virtual Answer Record(const v1::ExecutionRef& execution, const v1::StepRecord& step) = 0;
  // Several records sent at once, without waiting for answers in between; one answer for each.
  virtual std::vector<Answer> RecordAll(const v1::ExecutionRef& execution,
                                        const std::vector<v1::StepRecord>& steps) = 0;
  virtual Answer Complete(const v1::ExecutionRef& execution, const v1::Outcome& outcome) = 0;
  virtual Answer AwaitEnd(const std::string& workflow_id, std::int64_t timeout_ms) = 0;
  virtual Answer Start(const v1::StartWorkflowRequest& request, v1::StartWorkflowResponse* response) = 0;
};

enum class DoorKind { kSession, kUnary };
std::string ToString(DoorKind kind);

std::unique_ptr<Door> OpenDoor(DoorKind kind, const std::shared_ptr<grpc::Channel>& channel);

// Building blocks of requests.
v1::StepRecord Step(std::int32_t step_id, const std::string& name, const std::string& json);
v1::Outcome Value(const std::string& json);
v1::Outcome Failure(const std::string& json);
v1::StartWorkflowRequest StartOf(const std::string& workflow_id, const std::string& name = "checkout");
Answer ToAnswer(const grpc::Status& status, const grpc::ClientContext& call);

}  // namespace dbos::sidecar
