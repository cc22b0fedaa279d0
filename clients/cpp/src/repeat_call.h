// RepeatCall: one request, sent again while the sidecar or its database is away.
//
// Blocking: until it is answered, `timeout` at most.
// Errors:   SidecarUnavailable when the time is over; else what protocol_errors.h makes of a refusal.
#pragma once

#include <chrono>
#include <functional>

#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

namespace dbos::runtime {

// `call` makes one attempt with the context it is given, and may be made several times.
void RepeatCall(std::chrono::milliseconds timeout, const std::function<grpc::Status(grpc::ClientContext&)>& call);

}  // namespace dbos::runtime
