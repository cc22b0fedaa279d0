// Programs that run to their end beside a World: dbos-sidecar's other commands, and the SDKs' scripts.
#pragma once

#include <string>
#include <vector>

namespace dbos::sidecar {

struct Ended {
  int code = -1;
  std::string output;  // standard output and error
};

// `command[0]` is a path, or a name that is looked up in PATH.
Ended RunProgram(const std::vector<std::string>& command);

// `dbos-sidecar COMMAND... --name crash-test --database URL`
Ended RunSidecarCommand(std::vector<std::string> command, const std::string& database_url);

}  // namespace dbos::sidecar
