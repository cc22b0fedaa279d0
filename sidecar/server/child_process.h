// ChildProcess: the application that `dbos-sidecar dev` runs.
//
// Threads: one. Blocking: never.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "absl/status/statusor.h"

namespace dbos::sidecar {

class ChildProcess {
 public:
  using Variables = std::vector<std::pair<std::string, std::string>>;

  // Runs `command` with these variables added to our environment, in our process group.
  // NotFound: there is no such program.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& command, const Variables& variables);

  pid_t pid() const { return pid_; }
  void Send(int signal) const;

  // How it ended, as a shell says it (128 + signal); none while it runs. After that the pid is no longer ours.
  std::optional<int> Ended();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace dbos::sidecar
