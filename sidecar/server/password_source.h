// Where the database's password comes from when it changes while the sidecar runs: a file that is written again
// (Kubernetes secrets), or a command that prints a token (IAM).
#pragma once

#include "sidecar/db/options.h"
#include "sidecar/server/config.h"

namespace dbos::sidecar {

// Null: neither is configured. The file, or the command's output, is read for each new connection, without the line
// ends at its end. The command runs in /bin/sh, at most `command_max`; its errors go to our standard error.
// Unavailable: there is no password; the message says why.
PasswordSource PasswordSourceOf(const Config& config, absl::Duration command_max = absl::Seconds(10));

}  // namespace dbos::sidecar
