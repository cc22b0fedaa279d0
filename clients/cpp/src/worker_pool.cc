#include "worker_pool.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace dbos::runtime {
namespace {

constexpr std::chrono::seconds kIdleMax{30};

}  // namespace

void WorkerPool::Submit(Job job) {
  std::shared_ptr<Worker> worker;
  {
    const MutexLock lock(mu_);
    if (stopping_) return;
    if (idle_.empty()) {
      queue_.push_back(std::move(job));
      if (threads_ < max_threads_) AddThread();
      return;
    }
    worker = std::move(idle_.back());
    idle_.pop_back();
    worker->job = std::move(job);
  }
  worker->wake.NotifyOne();  // without the lock, so that the woken thread does not run into it
}

void WorkerPool::AddThread() {
  try {
    std::thread([this] { Work(); }).detach();
    ++threads_;
  } catch (const std::system_error&) {
    // The system has no more threads: the job waits for one of ours, of which there must be one.
    if (threads_ == 0) throw;
  }
}

void WorkerPool::Stop() {
  const MutexLock lock(mu_);
  stopping_ = true;
  for (const auto& worker : idle_) worker->wake.NotifyOne();
  while (threads_ > 0) all_gone_.Wait(mu_);
}

void WorkerPool::Work() {
  const auto self = std::make_shared<Worker>();
  Job job;
  while (NextJob(self, job)) {
    job();
    job = nullptr;
  }
}

// False ends the thread; `threads_` is then already counted down, under the lock Stop waits with.
bool WorkerPool::NextJob(const std::shared_ptr<Worker>& self, Job& job) {
  const MutexLock lock(mu_);
  if (!queue_.empty()) {
    job = std::move(queue_.front());
    queue_.pop_front();
    return true;
  }
  if (!stopping_) {
    idle_.push_back(self);
    const SteadyTime until = std::chrono::steady_clock::now() + kIdleMax;
    while (!self->job && !stopping_ && self->wake.WaitUntil(mu_, until)) {
    }
    if (self->job) {
      job = std::exchange(self->job, nullptr);
      return true;
    }
    idle_.erase(std::find(idle_.begin(), idle_.end(), self));
  }
  if (--threads_ == 0) all_gone_.NotifyAll();
  return false;
}

}  // namespace dbos::runtime
