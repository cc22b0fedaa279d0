// ProcessLedger: a file that lists the processes attached to this sidecar, for the sidecar that comes after it.
//
// The next one leaves their executions alone for a moment: they are still running and will reconnect.
//
// Threads:  Attached and Detached on any thread, without blocking; Save on the one that may block.
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
  explicit ProcessLedger(std::string file) : file_(std::move(file)) {}

  // Incarnations in the file of an earlier sidecar, less those whose process is known to be gone.
  std::vector<std::string> Survivors() const;

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

  const std::string file_;
  Mutex mu_;
  std::map<SessionId, Entry> entries_ ABSL_GUARDED_BY(mu_);
  bool changed_ ABSL_GUARDED_BY(mu_) = true;  // the file may hold an earlier sidecar's entries
};

}  // namespace dbos::sidecar
