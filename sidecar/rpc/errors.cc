#include "sidecar/rpc/errors.h"

#include <array>

#include <google/protobuf/any.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include "sidecar/base/status.h"
#include "sidecar/base/utf8.h"

namespace dbos::sidecar {
namespace {

struct Rule {
  Reason reason;
  v1::Reason wire;
  grpc::StatusCode code;
  v1::RetryClass retry;
};

constexpr std::array<Rule, 27> kRules = {{
    {Reason::kFenced, v1::REASON_FENCED, grpc::ABORTED, v1::RETRY_CLASS_STOP_EXECUTION},
    {Reason::kWorkflowCancelled, v1::REASON_WORKFLOW_CANCELLED, grpc::ABORTED, v1::RETRY_CLASS_STOP_EXECUTION},
    {Reason::kWorkflowTerminal, v1::REASON_WORKFLOW_TERMINAL, grpc::FAILED_PRECONDITION, v1::RETRY_CLASS_NEVER},
    {Reason::kStepMismatch, v1::REASON_STEP_MISMATCH, grpc::FAILED_PRECONDITION, v1::RETRY_CLASS_STOP_EXECUTION},
    {Reason::kStepAlreadyRecorded, v1::REASON_STEP_ALREADY_RECORDED, grpc::ABORTED, v1::RETRY_CLASS_STOP_EXECUTION},
    {Reason::kWorkflowConflict, v1::REASON_WORKFLOW_CONFLICT, grpc::ALREADY_EXISTS, v1::RETRY_CLASS_NEVER},
    {Reason::kWorkflowNotFound, v1::REASON_WORKFLOW_NOT_FOUND, grpc::NOT_FOUND, v1::RETRY_CLASS_NEVER},
    {Reason::kAttemptsExceeded, v1::REASON_ATTEMPTS_EXCEEDED, grpc::FAILED_PRECONDITION, v1::RETRY_CLASS_NEVER},
    {Reason::kInvalidRequest, v1::REASON_INVALID_REQUEST, grpc::INVALID_ARGUMENT, v1::RETRY_CLASS_NEVER},
    // Not RESOURCE_EXHAUSTED, which generic retry policies send again.
    {Reason::kPayloadTooLarge, v1::REASON_PAYLOAD_TOO_LARGE, grpc::INVALID_ARGUMENT, v1::RETRY_CLASS_NEVER},
    {Reason::kInflightLimit, v1::REASON_INFLIGHT_LIMIT, grpc::RESOURCE_EXHAUSTED, v1::RETRY_CLASS_SAME_REQUEST},
    {Reason::kDatabaseUnavailable, v1::REASON_DATABASE_UNAVAILABLE, grpc::UNAVAILABLE, v1::RETRY_CLASS_SAME_REQUEST},
    {Reason::kDraining, v1::REASON_DRAINING, grpc::UNAVAILABLE, v1::RETRY_CLASS_AFTER_RECONNECT},
    {Reason::kProtocolViolation, v1::REASON_PROTOCOL_VIOLATION, grpc::INVALID_ARGUMENT, v1::RETRY_CLASS_NEVER},
    {Reason::kUnsupported, v1::REASON_UNSUPPORTED, grpc::UNIMPLEMENTED, v1::RETRY_CLASS_NEVER},
    {Reason::kApplicationMismatch, v1::REASON_APPLICATION_MISMATCH, grpc::FAILED_PRECONDITION, v1::RETRY_CLASS_NEVER},
    {Reason::kVersionConflict, v1::REASON_VERSION_CONFLICT, grpc::FAILED_PRECONDITION, v1::RETRY_CLASS_NEVER},
    {Reason::kNotRegistered, v1::REASON_NOT_REGISTERED, grpc::FAILED_PRECONDITION, v1::RETRY_CLASS_NEVER},
    {Reason::kPrecedingOperationFailed, v1::REASON_PRECEDING_OPERATION_FAILED, grpc::ABORTED,
     v1::RETRY_CLASS_STOP_EXECUTION},
    {Reason::kDatabaseError, v1::REASON_DATABASE_ERROR, grpc::INTERNAL, v1::RETRY_CLASS_NEVER},
    {Reason::kDisconnected, v1::REASON_DISCONNECTED, grpc::UNAVAILABLE, v1::RETRY_CLASS_AFTER_RECONNECT},
    {Reason::kDeadlineExceeded, v1::REASON_DEADLINE_EXCEEDED, grpc::DEADLINE_EXCEEDED, v1::RETRY_CLASS_SAME_REQUEST},
    {Reason::kMigrationFailed, v1::REASON_MIGRATION_FAILED, grpc::FAILED_PRECONDITION, v1::RETRY_CLASS_NEVER},
    {Reason::kNoApplicationDatabase, v1::REASON_NO_APPLICATION_DATABASE, grpc::FAILED_PRECONDITION,
     v1::RETRY_CLASS_NEVER},
    {Reason::kTransactionTimeout, v1::REASON_TRANSACTION_TIMEOUT, grpc::DEADLINE_EXCEEDED, v1::RETRY_CLASS_NEVER},
    {Reason::kPoolExhausted, v1::REASON_POOL_EXHAUSTED, grpc::RESOURCE_EXHAUSTED, v1::RETRY_CLASS_SAME_REQUEST},
    {Reason::kTransactionInDoubt, v1::REASON_TRANSACTION_IN_DOUBT, grpc::UNKNOWN, v1::RETRY_CLASS_NEVER},
}};

constexpr bool NumbersAgree() {
  for (const Rule& rule : kRules) {
    if (static_cast<int>(rule.reason) != static_cast<int>(rule.wire)) return false;
  }
  return true;
}
static_assert(NumbersAgree(), "model/error.h and errors.proto number their reasons alike");

const Rule& RuleOf(Reason reason) {
  for (const Rule& rule : kRules) {
    if (rule.reason == reason) return rule;
  }
  return kRules[static_cast<std::size_t>(Reason::kDatabaseError) - 1];
}

// google.rpc.Status {int32 code = 1; string message = 2; repeated Any details = 3}, written by hand: Debian ships no
// google/rpc protos, and a copy of ours would clash with the one that other languages have.
std::string RpcStatus(grpc::StatusCode code, const v1::ErrorDetail& detail) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::Any any;
  any.PackFrom(detail);
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  WireFormatLite::WriteInt32(1, static_cast<int>(code), &out);
  WireFormatLite::WriteString(2, detail.message(), &out);
  WireFormatLite::WriteBytes(3, any.SerializeAsString(), &out);
  out.Trim();
  return bytes;
}

}  // namespace

grpc::StatusCode GrpcCode(Reason reason) {
  return RuleOf(reason).code;
}

v1::RetryClass RetryClassOf(Reason reason) {
  return RuleOf(reason).retry;
}

void PutError(const Error& error, v1::ErrorDetail* to) {
  const Rule& rule = RuleOf(error.reason);
  to->set_reason(rule.wire);
  to->set_retry(rule.retry);
  to->set_message(PrintableText(error.message, kErrorMessageBytesMax));
}

grpc::Status ToGrpcStatus(const Error& error) {
  v1::ErrorDetail detail;
  PutError(error, &detail);
  const grpc::StatusCode code = GrpcCode(error.reason);
  return {code, detail.message(), RpcStatus(code, detail)};
}

void AddReasonTrailer(Reason reason, grpc::CallbackServerContext* context) {
  context->AddTrailingMetadata("x-dbos-reason", v1::Reason_Name(RuleOf(reason).wire));
}

Error ReadError(const absl::Status& status) {
  const bool transient = absl::IsUnavailable(status) || absl::IsAborted(status);
  if (transient) return {Reason::kDatabaseUnavailable, "the database is not reachable: " + Message(status)};
  if (absl::IsResourceExhausted(status)) return {Reason::kInflightLimit, Message(status)};
  return {Reason::kDatabaseError, "the database refused the read: " + Message(status)};
}

}  // namespace dbos::sidecar
