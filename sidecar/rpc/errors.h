// The error contract in one table: each reason's gRPC code and what a client should do about it.
//
// Threads: any. Blocking: never.
// Limits:  a message is cut at kErrorMessageBytesMax, so that headers and trailers stay under gRPC's 8 KiB.
#pragma once

#include <string>

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "dbos/v1/errors.pb.h"

#include "sidecar/model/error.h"

namespace dbos::sidecar {

inline constexpr std::size_t kErrorMessageBytesMax = 1024;

grpc::StatusCode GrpcCode(Reason reason);
v1::RetryClass RetryClassOf(Reason reason);

// Fills reason, retry class and message.
void PutError(const Error& error, v1::ErrorDetail* to);

// The status of a refused call: code, message, and a google.rpc.Status with the detail.
grpc::Status ToGrpcStatus(const Error& error);

// Repeats the reason's name in the trailer `x-dbos-reason`, for clients without status details. Call before Finish.
void AddReasonTrailer(Reason reason, grpc::CallbackServerContext* context);

// What a failed read means to the caller.
Error ReadError(const absl::Status& status);

}  // namespace dbos::sidecar
