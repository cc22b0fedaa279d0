#include "sidecar/rpc/process_identity.h"

#include <array>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace dbos::sidecar {
namespace {

constexpr std::uint64_t kExitingFlag = 0x4;  // PF_EXITING: set before the process closes its sockets

struct ProcStat {
  char state = '?';
  std::uint64_t flags = 0;
  std::uint64_t start_time_ticks = 0;
};

const std::string& OwnPidNamespace() {
  static const std::string& name = *new std::string([] {
    std::array<char, 64> link{};
    const ssize_t length = readlink("/proc/self/ns/pid", link.data(), link.size());
    return length > 0 ? std::string(link.data(), static_cast<std::size_t>(length)) : std::string();
  }());
  return name;
}

// Field numbers as in proc(5): state 3, flags 9, starttime 22. The name (2) may hold spaces and brackets.
std::optional<ProcStat> ReadProcStat(std::int32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  ProcStat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 9; ++field) fields >> skipped;
  fields >> stat.flags;
  for (int field = 10; field < 22; ++field) fields >> skipped;
  fields >> stat.start_time_ticks;
  if (!fields) return std::nullopt;
  return stat;
}

}  // namespace

std::optional<ProcessIdentity> IdentityOf(std::int32_t pid) {
  const std::optional<ProcStat> stat = ReadProcStat(pid);
  if (!stat) return std::nullopt;
  return ProcessIdentity{pid, OwnPidNamespace(), stat->start_time_ticks};
}

Liveness LivenessOf(const ProcessIdentity& process) {
  if (process.pid <= 0 || process.pid_namespace.empty()) return Liveness::kUnknown;
  if (process.pid_namespace != OwnPidNamespace()) return Liveness::kUnknown;
  const std::optional<ProcStat> stat = ReadProcStat(process.pid);
  if (!stat || stat->start_time_ticks != process.start_time_ticks) return Liveness::kGone;
  const bool ends = stat->state == 'Z' || stat->state == 'X' || (stat->flags & kExitingFlag) != 0;
  return ends ? Liveness::kGone : Liveness::kAlive;
}

}  // namespace dbos::sidecar
