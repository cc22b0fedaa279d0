// Timers: one thread that calls functions at times. For step timeouts, reconnects, the session's watchdog and holds.
//
// Threads:  any. Functions run on the timer thread and must not block.
// Lifetime: Stop waits for a function that runs; none runs afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "mutex.h"

namespace dbos::runtime {

class Timers {
 public:
  using Id = std::uint64_t;

  Timers();
  ~Timers() { Stop(); }
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  Id After(std::chrono::milliseconds delay, std::function<void()> call);
  void Cancel(Id id);
  void Stop();

 private:
  using Key = std::pair<SteadyTime, Id>;
  void Run();
  bool NextDue(std::function<void()>& call);

  Mutex mu_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  Id last_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<Key, std::function<void()>> due_ ABSL_GUARDED_BY(mu_);
  std::map<Id, SteadyTime> when_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace dbos::runtime
