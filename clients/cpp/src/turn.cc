#include "turn.h"

#include <chrono>
#include <utility>

namespace dbos::runtime {
namespace {

constexpr std::chrono::milliseconds kMoment{1};

SteadyTime InAMoment() {
  return std::chrono::steady_clock::now() + kMoment;
}

}  // namespace

void Turn::Take() {
  const MutexLock lock(mu_);
  while (taken_ || std::chrono::steady_clock::now() < reserved_until_) left_.WaitUntil(mu_, InAMoment());
  taken_ = true;
}

void Turn::Give() {
  const MutexLock lock(mu_);
  taken_ = false;
}

bool Turn::TryTake() {
  const MutexLock lock(mu_);
  if (taken_) return false;
  taken_ = true;
  return true;
}

void Turn::Leave(Leaving leaving) {
  {
    const MutexLock lock(mu_);
    taken_ = false;
    reserved_until_ = leaving == Leaving::kForAMoment ? InAMoment() : SteadyTime();
  }
  if (leaving == Leaving::kForGood) left_.NotifyOne();  // the keeper would look only in a moment
}

void Turn::Reserve() {
  const MutexLock lock(mu_);
  reserved_until_ = InAMoment();
}

void Turn::Release() {
  {
    const MutexLock lock(mu_);
    if (std::exchange(reserved_until_, SteadyTime()) == SteadyTime()) return;
  }
  left_.NotifyOne();
}

}  // namespace dbos::runtime
