#include "tests/conformance/door.h"

namespace dbos::sidecar {

std::unique_ptr<Door> OpenSessionDoor(const std::shared_ptr<grpc::Channel>& channel);
std::unique_ptr<Door> OpenUnaryDoor(const std::shared_ptr<grpc::Channel>& channel);

std::string ToString(DoorKind kind) {
  return kind == DoorKind::kSession ? "session" : "unary";
}

std::unique_ptr<Door> OpenDoor(DoorKind kind, const std::shared_ptr<grpc::Channel>& channel) {
  return kind == DoorKind::kSession ? OpenSessionDoor(channel) : OpenUnaryDoor(channel);
}

v1::StepRecord Step(std::int32_t step_id, const std::string& name, const std::string& json) {
  v1::StepRecord step;
  step.set_step_id(step_id);
  step.set_name(name);
  *step.mutable_outcome() = Value(json);
  step.set_started_at_ms(1'800'000'000'000);
  step.set_completed_at_ms(1'800'000'000'000 + step_id);
  return step;
}

v1::Outcome Value(const std::string& json) {
  v1::Outcome outcome;
  outcome.mutable_value()->set_data(json);
  outcome.mutable_value()->set_serialization("portable_json");
  return outcome;
}

v1::Outcome Failure(const std::string& json) {
  v1::Outcome outcome;
  outcome.mutable_error()->set_data(json);
  outcome.mutable_error()->set_serialization("portable_json");
  return outcome;
}

v1::StartWorkflowRequest StartOf(const std::string& workflow_id, const std::string& name) {
  v1::StartWorkflowRequest request;
  request.set_workflow_id(workflow_id);
  request.set_name(name);
  request.mutable_input()->set_data(R"({"positionalArgs":[1,"två"]})");
  return request;
}

Answer ToAnswer(const grpc::Status& status, const grpc::ClientContext& call) {
  if (status.ok()) return {};
  const auto& trailers = call.GetServerTrailingMetadata();
  const auto reason = trailers.find("x-dbos-reason");
  if (reason == trailers.end()) return {"NO_REASON", status.error_message()};
  return {std::string(reason->second.data(), reason->second.size()), status.error_message()};
}

}  // namespace dbos::sidecar
