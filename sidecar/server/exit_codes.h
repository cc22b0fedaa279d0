// What the process tells its caller when it ends. `dbos-sidecar --help` lists them.
#pragma once

#include "absl/status/status.h"

namespace dbos::sidecar {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,     // flags, environment or configuration file
  kExitDatabase = 3,  // cannot be reached, migrated or locked, or stopped answering
  kExitSocket = 4,    // the socket or the state directory is taken or not usable
};

// An error together with the exit code it leads to.
struct StartupError {
  ExitCode code = kExitFailure;
  absl::Status status;
};

}  // namespace dbos::sidecar
