#include "holds.h"

#include <utility>

namespace dbos::runtime {
namespace {

// A record is sent by the second sweep that sees it: it is held for one to two milliseconds.
constexpr std::chrono::milliseconds kSweepInterval{1};
constexpr int kEmptySweepsMax = 3;

}  // namespace

void Holds::Add(std::shared_ptr<Holder> holder, std::uint64_t number) {
  {
    const MutexLock lock(mu_);
    young_.push_back({std::move(holder), number});
    if (std::exchange(armed_, true)) return;
  }
  timers_.After(kSweepInterval, [this] { Sweep(); });
}

void Holds::Sweep() {
  std::vector<Held> due;
  bool again = true;
  {
    const MutexLock lock(mu_);
    due = std::exchange(old_, std::move(young_));
    young_.clear();
    empty_sweeps_ = due.empty() && old_.empty() ? empty_sweeps_ + 1 : 0;
    again = empty_sweeps_ < kEmptySweepsMax;
    if (!again) {
      armed_ = false;
      empty_sweeps_ = 0;
    }
  }
  for (const Held& held : due) held.holder->FlushHeld(held.number);
  if (again) timers_.After(kSweepInterval, [this] { Sweep(); });
}

}  // namespace dbos::runtime
