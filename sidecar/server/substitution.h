// ${...} in the values of dbos-config.yaml.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "sidecar/server/config.h"

namespace dbos::sidecar {

// ${VAR} is the environment's value, ${VAR:-default} is `default` where VAR is not set or empty, and
// ${DOCKER_SECRET:NAME} the content of /run/secrets/NAME. What is put in is not looked at again; $${ is a plain ${.
// InvalidArgument: not set and without a default, or not closed; the message names it.
absl::StatusOr<std::string> Substituted(const std::string& text, const Environment& environment);

}  // namespace dbos::sidecar
