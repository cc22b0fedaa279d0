// StartRequest: what every way of starting a workflow sends, checked before it is sent.
#pragma once

#include <string>
#include <string_view>

#include <dbos/options.h>

#include "dbos/v1/workflows.pb.h"

#include "request_limits.h"

namespace dbos::runtime {

// Mints the request id by which a repeat recognises itself. Throws InvalidArgument or PayloadTooLarge.
v1::StartWorkflowRequest MakeStartRequest(std::string_view name, const StartOptions& options, std::string input,
                                          const RequestLimits& limits);

}  // namespace dbos::runtime
