#include "protocol_errors.h"

#include <dbos/errors.h>

namespace dbos::runtime {

void ThrowProtocolError(v1::Reason reason, const std::string& message) {
  switch (reason) {
    case v1::REASON_WORKFLOW_CONFLICT:
      throw ConflictingWorkflow(message);
    case v1::REASON_WORKFLOW_NOT_FOUND:
      throw WorkflowNotFound(message);
    case v1::REASON_INVALID_REQUEST:
      throw InvalidArgument(message);
    case v1::REASON_PAYLOAD_TOO_LARGE:
      throw PayloadTooLarge(message);
    case v1::REASON_MIGRATION_FAILED:
      throw MigrationFailed(message);
    case v1::REASON_NO_APPLICATION_DATABASE:
      throw NoApplicationDatabase(message);
    case v1::REASON_TRANSACTION_TIMEOUT:
      throw TransactionTimeout(message);
    case v1::REASON_POOL_EXHAUSTED:
      throw PoolExhausted(message);
    case v1::REASON_TRANSACTION_IN_DOUBT:
      throw TransactionInDoubt(message);
    case v1::REASON_DEADLINE_EXCEEDED:
      throw TimeoutError(message);
    case v1::REASON_DATABASE_UNAVAILABLE:
    case v1::REASON_DRAINING:
    case v1::REASON_DISCONNECTED:
      throw SidecarUnavailable(message);
    case v1::REASON_STEP_MISMATCH:
    case v1::REASON_STEP_ALREADY_RECORDED:
      throw NonDeterminismError(message);
    default:
      throw RequestRefused(v1::Reason_Name(reason), message);
  }
}

ErrorRecord RecordOf(v1::Reason reason, const std::string& message) {
  try {
    ThrowProtocolError(reason, message);
  } catch (const Error& error) {
    return error.record();
  }
}

bool IsCallersFault(const v1::ErrorDetail& error) {
  return error.reason() == v1::REASON_WORKFLOW_CONFLICT || error.reason() == v1::REASON_INVALID_REQUEST ||
         error.reason() == v1::REASON_PAYLOAD_TOO_LARGE;
}

void ThrowIfRefused(const v1::ErrorDetail& error) {
  if (error.reason() != v1::REASON_UNSPECIFIED) ThrowProtocolError(error.reason(), error.message());
}

v1::Reason ReasonOf(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find("x-dbos-reason");
  v1::Reason reason = v1::REASON_UNSPECIFIED;
  if (found != trailers.end()) v1::Reason_Parse(std::string(found->second.data(), found->second.size()), &reason);
  return reason;
}

void ThrowIfFailed(const grpc::Status& status, const grpc::ClientContext& context) {
  if (status.ok()) return;
  const v1::Reason reason = ReasonOf(context);
  if (reason != v1::REASON_UNSPECIFIED) ThrowProtocolError(reason, status.error_message());
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      throw SidecarUnavailable("no answer from the sidecar: " + status.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      throw TimeoutError("no answer from the sidecar in time: " + status.error_message());
    case grpc::StatusCode::INVALID_ARGUMENT:
      throw InvalidArgument(status.error_message());
    default:
      throw RequestRefused("GRPC_" + std::to_string(status.error_code()), status.error_message());
  }
}

}  // namespace dbos::runtime
