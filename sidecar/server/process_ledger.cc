#include "sidecar/server/process_ledger.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"
#include "sidecar/server/state_directory.h"

namespace dbos::sidecar {

ProcessLedger::ProcessLedger(std::string file) : file_(std::move(file)) {
  std::ifstream in(file_);
  std::string line;
  MutexLock lock(mu_);
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    Entry entry;
    fields >> entry.incarnation >> entry.process.pid >> entry.process.start_time_ticks >> entry.process.pid_namespace;
    if (fields && LivenessOf(entry.process) != Liveness::kGone) survivors_[entry.incarnation] = entry;
  }
}

std::vector<std::string> ProcessLedger::Survivors() {
  std::vector<std::string> incarnations;
  MutexLock lock(mu_);
  for (const auto& [incarnation, entry] : survivors_) incarnations.push_back(incarnation);
  return incarnations;
}

void ProcessLedger::ForgetSurvivors() {
  MutexLock lock(mu_);
  changed_ = changed_ || !survivors_.empty();
  survivors_.clear();
}

void ProcessLedger::Attached(SessionId session, const std::string& incarnation,
                             const std::optional<ProcessIdentity>& process) {
  if (!process || process->pid_namespace.empty()) return;  // nobody could tell later whether it lives
  {
    MutexLock lock(mu_);
    survivors_.erase(incarnation);
    entries_[session] = {incarnation, *process};
  }
  Write();
}

void ProcessLedger::Detached(SessionId session) {
  MutexLock lock(mu_);
  changed_ = entries_.erase(session) != 0 || changed_;
}

void ProcessLedger::Save() {
  {
    MutexLock lock(mu_);
    if (!changed_) return;
  }
  Write();
}

void ProcessLedger::Write() {
  MutexLock file_lock(file_mu_);
  std::string content;
  {
    MutexLock lock(mu_);
    changed_ = false;
    content = Content();
  }
  if (absl::Status status = ReplaceFile(file_, content); !status.ok()) {
    Log(LogLevel::kWarning, "cannot keep the list of attached processes", {{"error", Message(status)}});
  }
}

std::string ProcessLedger::Content() {
  std::ostringstream content;
  const auto add = [&content](const Entry& entry) {
    content << entry.incarnation << ' ' << entry.process.pid << ' ' << entry.process.start_time_ticks << ' '
            << entry.process.pid_namespace << '\n';
  };
  for (const auto& [incarnation, entry] : survivors_) add(entry);
  for (const auto& [session, entry] : entries_) add(entry);
  return content.str();
}

}  // namespace dbos::sidecar
