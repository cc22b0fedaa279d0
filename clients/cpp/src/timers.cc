#include "timers.h"

#include "deadline.h"

namespace dbos::runtime {

Timers::Timers() : thread_([this] { Run(); }) {
}

Timers::Id Timers::After(std::chrono::milliseconds delay, std::function<void()> call) {
  const SteadyTime when = DeadlineAfter(delay);
  const MutexLock lock(mu_);
  const Id id = ++last_;
  const bool earliest = due_.empty() || when < due_.begin()->first.first;
  due_.emplace(Key(when, id), std::move(call));
  when_.emplace(id, when);
  if (earliest) wake_.NotifyOne();
  return id;
}

void Timers::Cancel(Id id) {
  const MutexLock lock(mu_);
  const auto found = when_.find(id);
  if (found == when_.end()) return;
  due_.erase(Key(found->second, id));
  when_.erase(found);
}

void Timers::Stop() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void Timers::Run() {
  std::function<void()> call;
  while (NextDue(call)) {
    call();
    call = nullptr;
  }
}

bool Timers::NextDue(std::function<void()>& call) {
  const MutexLock lock(mu_);
  while (!stopping_) {
    if (due_.empty()) {
      wake_.Wait(mu_);
      continue;
    }
    const auto first = due_.begin();
    if (first->first.first > std::chrono::steady_clock::now()) {
      wake_.WaitUntil(mu_, first->first.first);
      continue;
    }
    call = std::move(first->second);
    when_.erase(first->first.second);
    due_.erase(first);
    return true;
  }
  return false;
}

}  // namespace dbos::runtime
