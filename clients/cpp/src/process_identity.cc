#include "process_identity.h"

#include <array>
#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

namespace dbos::runtime {
namespace {

constexpr int kStartTimeField = 22;

// The fields of /proc/self/stat after the command, which may hold spaces and parentheses.
std::uint64_t StartTimeTicks() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string field;
  for (int number = 3; number <= kStartTimeField; ++number) fields >> field;
  return field.empty() ? 0 : std::stoull(field);
}

}  // namespace

v1::ProcessIdentity ReadProcessIdentity() {
  v1::ProcessIdentity identity;
  std::array<char, 64> link{};
  const ssize_t size = readlink("/proc/self/ns/pid", link.data(), link.size());
  if (size <= 0) return identity;
  identity.set_pid(getpid());
  identity.set_pid_namespace(std::string(link.data(), static_cast<std::size_t>(size)));
  identity.set_start_time_ticks(StartTimeTicks());
  return identity;
}

}  // namespace dbos::runtime
