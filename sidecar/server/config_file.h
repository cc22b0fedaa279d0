// dbos-config.yaml as flat key/value pairs.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

#include "sidecar/server/config.h"

namespace dbos::sidecar {

// Keys of sections are joined with a dot, lists with commas; ${VAR} is replaced from the environment.
// InvalidArgument: not readable, not YAML, not a mapping, a variable that is not set.
absl::StatusOr<std::map<std::string, std::string>> ReadConfigFile(const std::string& path,
                                                                  const Environment& environment);

}  // namespace dbos::sidecar
