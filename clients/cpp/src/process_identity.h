// ProcessIdentity: who this process is, so that the sidecar can tell a dead process from a lost connection.
#pragma once

#include "dbos/v1/steps.pb.h"

namespace dbos::runtime {

// Empty where /proc is not there.
v1::ProcessIdentity ReadProcessIdentity();

}  // namespace dbos::runtime
