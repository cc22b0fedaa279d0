#include "sidecar/server/process_ledger.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"
#include "sidecar/server/state_directory.h"

namespace dbos::sidecar {

std::vector<std::string> ProcessLedger::Survivors() const {
  std::vector<std::string> survivors;
  std::ifstream in(file_);
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    std::string incarnation;
    ProcessIdentity process;
    fields >> incarnation >> process.pid >> process.start_time_ticks >> process.pid_namespace;
    if (fields && LivenessOf(process) != Liveness::kGone) survivors.push_back(std::move(incarnation));
  }
  return survivors;
}

void ProcessLedger::Attached(SessionId session, const std::string& incarnation,
                             const std::optional<ProcessIdentity>& process) {
  if (!process || process->pid_namespace.empty()) return;  // nobody could tell later whether it lives
  MutexLock lock(mu_);
  entries_[session] = {incarnation, *process};
  changed_ = true;
}

void ProcessLedger::Detached(SessionId session) {
  MutexLock lock(mu_);
  changed_ = entries_.erase(session) != 0 || changed_;
}

void ProcessLedger::Save() {
  std::ostringstream content;
  {
    MutexLock lock(mu_);
    if (!std::exchange(changed_, false)) return;
    for (const auto& [session, entry] : entries_) {
      content << entry.incarnation << ' ' << entry.process.pid << ' ' << entry.process.start_time_ticks << ' '
              << entry.process.pid_namespace << '\n';
    }
  }
  if (absl::Status status = ReplaceFile(file_, content.str()); !status.ok()) {
    Log(LogLevel::kWarning, "cannot keep the list of attached processes", {{"error", Message(status)}});
  }
}

}  // namespace dbos::sidecar
