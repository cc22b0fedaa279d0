// dbos-config.yaml as flat key/value pairs.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

#include "sidecar/server/config.h"

namespace dbos::sidecar {

// Keys of sections are joined with dots, lists with commas; ${VAR} is replaced (substitution.h).
// InvalidArgument: not readable, larger than 1 MiB, not YAML, not a mapping, a key given twice, a variable not set.
absl::StatusOr<std::map<std::string, std::string>> ReadConfigFile(const std::string& path,
                                                                  const Environment& environment);

}  // namespace dbos::sidecar
