// Protocol errors as exceptions. They are never recorded as a step's outcome, and as a workflow's only when the sidecar
// refused one of its own operations for good.
#pragma once

#include <string>

#include <dbos/errors.h>

#include "dbos/v1/errors.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

namespace dbos::runtime {

[[noreturn]] void ThrowProtocolError(v1::Reason reason, const std::string& message);

// Does nothing when there is no reason in it.
void ThrowIfRefused(const v1::ErrorDetail& error);

// The same error as it is stored when it ends a workflow.
ErrorRecord RecordOf(v1::Reason reason, const std::string& message);

// Whether the request itself was at fault: then the code that made it gets the error and can go on.
bool IsCallersFault(const v1::ErrorDetail& error);

// The reason of a failed unary call, from its trailers.
v1::Reason ReasonOf(const grpc::ClientContext& context);
void ThrowIfFailed(const grpc::Status& status, const grpc::ClientContext& context);

}  // namespace dbos::runtime
