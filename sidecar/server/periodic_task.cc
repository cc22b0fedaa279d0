#include "sidecar/server/periodic_task.h"

#include <utility>

#include "absl/time/clock.h"

#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"

namespace dbos::sidecar {

PeriodicTask::PeriodicTask(std::string what, absl::Duration pause, std::function<absl::Status()> task)
    : what_(std::move(what)), pause_(pause), task_(std::move(task)), thread_([this] { ThreadMain(); }) {
}

PeriodicTask::~PeriodicTask() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  thread_.join();
}

void PeriodicTask::ThreadMain() {
  bool failed = false;
  while (true) {
    {
      MutexLock lock(mu_);
      const absl::Time next = absl::Now() + pause_;
      while (!stopping_ && absl::Now() < next) wake_.WaitFor(mu_, next - absl::Now());
      if (stopping_) return;
    }
    const absl::Status done = task_();
    if (!done.ok() && !failed) {
      Log(LogLevel::kWarning, "a regular task failed, it is tried again", {{"task", what_}, {"error", Message(done)}});
    }
    failed = !done.ok();
  }
}

}  // namespace dbos::sidecar
