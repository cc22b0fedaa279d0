// Protocol errors as exceptions. They are never recorded as a step's or a workflow's outcome.
#pragma once

#include <string>

#include "dbos/v1/errors.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

namespace dbos::runtime {

[[noreturn]] void ThrowProtocolError(v1::Reason reason, const std::string& message);

// Does nothing when there is no reason in it.
void ThrowIfRefused(const v1::ErrorDetail& error);

// The reason of a failed unary call, from its trailers.
v1::Reason ReasonOf(const grpc::ClientContext& context);
void ThrowIfFailed(const grpc::Status& status, const grpc::ClientContext& context);

}  // namespace dbos::runtime
