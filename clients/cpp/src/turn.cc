#include "turn.h"

#include <chrono>
#include <utility>

namespace dbos::runtime {
namespace {

constexpr std::chrono::milliseconds kMoment{1};

}  // namespace

void Turn::Take() {
  const MutexLock lock(mu_);
  while (taken_ || std::exchange(reserved_, false)) {
    left_.WaitUntil(mu_, std::chrono::steady_clock::now() + kMoment);
  }
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
    reserved_ = leaving == Leaving::kForAMoment;
  }
  if (leaving == Leaving::kForGood) left_.NotifyOne();  // the keeper would look only in a moment
}

void Turn::Reserve() {
  const MutexLock lock(mu_);
  reserved_ = true;
}

void Turn::Release() {
  {
    const MutexLock lock(mu_);
    if (!std::exchange(reserved_, false)) return;
  }
  left_.NotifyOne();
}

}  // namespace dbos::runtime
