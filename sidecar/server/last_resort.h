// LastResort: ends the process when its owner has not come to an end in time.
//
// For the stop alone: a thread that waits for a database which does not answer cannot be woken. What it sent was never
// acknowledged, so ending without it loses nothing.
//
// Threads: one of its own, from construction to destruction.
#pragma once

#include <string>
#include <thread>

#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "sidecar/server/exit_codes.h"

namespace dbos::sidecar {

class LastResort {
 public:
  // After `patience` logs `why` and ends the process with `code`, without destructors.
  LastResort(absl::Duration patience, ExitCode code, std::string why);
  LastResort(const LastResort&) = delete;
  LastResort& operator=(const LastResort&) = delete;
  ~LastResort();  // in time: nothing happens

 private:
  void Watch();

  const absl::Duration patience_;
  const ExitCode code_;
  const std::string why_;
  Mutex mu_;
  CondVar changed_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace dbos::sidecar
