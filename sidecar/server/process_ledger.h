// ProcessLedger: a file that lists the processes attached to this sidecar, for the sidecar that comes after it.
//
// The next one leaves their executions alone for a moment: they are still running and will reconnect. So a process is
// in the file before it is welcomed, and one that has not come back yet stays in it.
//
// Threads:  any. Blocking: Attached and Save write one small file, without waiting for the disk: it has to outlive the
//           process, not the machine.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/base/mutex.h"
#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

class ProcessLedger final : public Attachments {
 public:
  // Reads what an earlier sidecar left.
  explicit ProcessLedger(std::string file);

  // Incarnations attached to the earlier sidecar that have not come back, less those whose process is known to be gone.
  std::vector<std::string> Survivors();
  // They had their time: they are no longer listed.
  void ForgetSurvivors();

  void Attached(SessionId session, const std::string& incarnation,
                const std::optional<ProcessIdentity>& process) override;
  void Detached(SessionId session) override;

  // Writes the file if something changed since.
  void Save();

 private:
  struct Entry {
    std::string incarnation;
    ProcessIdentity process;
  };

  void Write();
  std::string Content() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string file_;
  Mutex file_mu_;  // one writer at a time; taken before mu_
  Mutex mu_;
  std::map<std::string, Entry> survivors_ ABSL_GUARDED_BY(mu_);  // by incarnation
  std::map<SessionId, Entry> entries_ ABSL_GUARDED_BY(mu_);
  bool changed_ ABSL_GUARDED_BY(mu_) = true;  // the file may hold an earlier sidecar's entries
};

}  // namespace dbos::sidecar
