#include "sidecar/db/sqlite/write_turns.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "absl/time/clock.h"

namespace dbos::sidecar {
namespace {

struct Registry {
  Mutex mu;
  std::map<std::string, std::weak_ptr<WriteTurns>> all ABSL_GUARDED_BY(mu);
};

}  // namespace

std::shared_ptr<WriteTurns> WriteTurns::Of(const std::string& path) {
  static auto* const registry = new Registry();
  std::error_code error;
  const std::filesystem::path known = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  const std::string key = error ? path : known.string();
  MutexLock lock(registry->mu);
  std::shared_ptr<WriteTurns> turns = registry->all[key].lock();
  if (turns == nullptr) {
    turns = std::make_shared<WriteTurns>();
    registry->all[key] = turns;
  }
  return turns;
}

bool WriteTurns::Take(absl::Time deadline, const std::atomic<bool>* stop) {
  MutexLock lock(mu_);
  if (!taken_) {
    taken_ = true;
    return true;
  }
  Waiter self;
  waiting_.push_back(&self);
  while (!self.granted) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration() || (stop != nullptr && *stop)) {
      waiting_.remove(&self);
      return false;
    }
    self.changed.WaitFor(mu_, std::min(left, absl::Hours(1)));
  }
  return true;
}

// The turn goes from hand to hand: nobody overtakes.
void WriteTurns::Give() {
  MutexLock lock(mu_);
  taken_ = !waiting_.empty();
  if (!taken_) return;
  Waiter* next = waiting_.front();
  waiting_.pop_front();
  next->granted = true;
  next->changed.NotifyOne();
}

std::size_t WriteTurns::waiting() {
  MutexLock lock(mu_);
  return waiting_.size();
}

void WriteTurns::Wake() {
  MutexLock lock(mu_);
  for (Waiter* waiter : waiting_) waiter->changed.NotifyOne();
}

}  // namespace dbos::sidecar
