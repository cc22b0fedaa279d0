// Whether a client may attach: its protocol version, its application, the shape of its greeting.
#pragma once

#include "dbos/v1/steps.pb.h"

#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

Error CheckGreeting(const v1::Hello& hello, const SidecarInfo& info);
Error CheckGreeting(const v1::SubscribeRequest& request, const SidecarInfo& info);

}  // namespace dbos::sidecar
