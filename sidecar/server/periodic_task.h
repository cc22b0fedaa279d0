// PeriodicTask: something that is done again and again on a thread of its own.
//
// A failure is logged once, until it goes well again, and tried again with the next round.
//
// Blocking: the destructor waits for a round that runs.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"

namespace dbos::sidecar {

class PeriodicTask {
 public:
  // The first round is after the first pause.
  PeriodicTask(std::string what, absl::Duration pause, std::function<absl::Status()> task);
  ~PeriodicTask();
  PeriodicTask(const PeriodicTask&) = delete;
  PeriodicTask& operator=(const PeriodicTask&) = delete;

 private:
  void ThreadMain();

  const std::string what_;
  const absl::Duration pause_;
  const std::function<absl::Status()> task_;
  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace dbos::sidecar
