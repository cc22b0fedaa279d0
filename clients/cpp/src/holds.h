// Holds: sends, after about 1 ms, the records that nothing else has sent by then.
//
// The timer runs only while records are held or were a moment ago, so that a lone step arms nothing and a busy process
// pays one wake-up a millisecond for all its executions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "mutex.h"
#include "timers.h"

namespace dbos::runtime {

class Holder {
 public:
  Holder() = default;
  virtual ~Holder() = default;
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  // Sends the record of this number if it is still held.
  virtual void FlushHeld(std::uint64_t number) = 0;
};

class Holds {
 public:
  explicit Holds(Timers& timers) : timers_(timers) {}
  void Add(std::shared_ptr<Holder> holder, std::uint64_t number);

 private:
  struct Held {
    std::shared_ptr<Holder> holder;
    std::uint64_t number;
  };
  void Sweep();

  Timers& timers_;
  Mutex mu_;
  bool armed_ ABSL_GUARDED_BY(mu_) = false;
  int empty_sweeps_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<Held> young_ ABSL_GUARDED_BY(mu_);  // held since the last sweep
  std::vector<Held> old_ ABSL_GUARDED_BY(mu_);    // held since the sweep before
};

}  // namespace dbos::runtime
