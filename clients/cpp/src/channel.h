// Channel: the gRPC channel to the sidecar, made the same way by App and Client.
#pragma once

#include <memory>
#include <string>

#include "grpcpp/channel.h"

namespace dbos::runtime {

// The address to use when none is given: environment, then the socket that is there.
std::string ResolveAddress(const std::string& given);

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address);

}  // namespace dbos::runtime
