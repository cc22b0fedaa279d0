#include "sidecar/server/last_resort.h"

#include <cstdlib>
#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/logging.h"

namespace dbos::sidecar {

LastResort::LastResort(absl::Duration patience, ExitCode code, std::string why)
    : patience_(patience), code_(code), why_(std::move(why)), thread_([this] { Watch(); }) {
}

LastResort::~LastResort() {
  {
    MutexLock lock(mu_);
    done_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void LastResort::Watch() {
  const absl::Time until = absl::Now() + patience_;
  MutexLock lock(mu_);
  for (absl::Duration left = patience_; !done_ && left > absl::ZeroDuration(); left = until - absl::Now()) {
    changed_.WaitFor(mu_, left);
  }
  if (done_) return;
  Log(LogLevel::kError, why_);
  std::_Exit(code_);
}

}  // namespace dbos::sidecar
