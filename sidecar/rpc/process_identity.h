// Which process is at the other end, and whether it still lives.
//
// Threads: any. Blocking: reads one small file of /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dbos::sidecar {

// A pid alone can be reused; with its namespace and start time it names one process.
struct ProcessIdentity {
  std::int32_t pid = 0;
  std::string pid_namespace;
  std::uint64_t start_time_ticks = 0;
};

// None if the process does not exist.
std::optional<ProcessIdentity> IdentityOf(std::int32_t pid);

enum class Liveness {
  kAlive,
  kGone,     // it ended, or is exiting
  kUnknown,  // it lives in another pid namespace, where nobody here can tell
};
Liveness LivenessOf(const ProcessIdentity& process);

}  // namespace dbos::sidecar
