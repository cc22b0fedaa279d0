#include "worker_pool.h"

#include <algorithm>
#include <system_error>
#include <thread>
#include <utility>

namespace dbos::runtime {
namespace {

constexpr std::chrono::seconds kIdleMax{30};

// Threads on their way at a time. Waking one costs more than a short job takes, so a burst of jobs is not met with a
// thread for each: those that are here by then may have done them all. Whoever takes a job sends for the next thread.
std::size_t CalledMax() {
  static const std::size_t cores = std::max(2U, std::thread::hardware_concurrency());
  return cores;
}

}  // namespace

void WorkerPool::Submit(Job job) {
  std::shared_ptr<Worker> worker;
  {
    const MutexLock lock(mu_);
    if (stopping_) return;
    queue_.push_back(std::move(job));
    worker = CallWorker();
  }
  if (worker != nullptr) worker->wake.NotifyOne();  // without the lock, so that the woken thread does not run into it
}

// Sends for one more thread, if a job has none on its way and the machine could run it: the caller wakes the one that
// is returned. While a job waits, a thread is on its way or all that there may be are busy.
std::shared_ptr<WorkerPool::Worker> WorkerPool::CallWorker() {
  if (called_ >= std::min(queue_.size(), CalledMax())) return nullptr;
  if (idle_.empty()) {
    if (threads_ < max_threads_ && AddThread()) ++called_;
    return nullptr;
  }
  std::shared_ptr<Worker> worker = std::move(idle_.back());
  idle_.pop_back();
  worker->called = true;
  ++called_;
  return worker;
}

bool WorkerPool::AddThread() {
  try {
    std::thread([this] { Work(); }).detach();
    ++threads_;
    return true;
  } catch (const std::system_error&) {
    // The system has no more threads: the job waits for one of ours, of which there must be one.
    if (threads_ == 0) throw;
    return false;
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
  std::shared_ptr<Worker> next;
  {
    const MutexLock lock(mu_);
    do {
      if (std::exchange(self->called, false)) --called_;
    } while (queue_.empty() && WaitForCall(self));
    if (queue_.empty()) {
      if (--threads_ == 0) all_gone_.NotifyAll();
      return false;
    }
    job = std::move(queue_.front());
    queue_.pop_front();
    next = CallWorker();
  }
  if (next != nullptr) next->wake.NotifyOne();
  return true;
}

// False when nobody sent for this thread: the pool stops, or it had nothing to do for long.
bool WorkerPool::WaitForCall(const std::shared_ptr<Worker>& self) {
  if (stopping_) return false;
  idle_.push_back(self);
  const SteadyTime until = std::chrono::steady_clock::now() + kIdleMax;
  while (!self->called && !stopping_ && self->wake.WaitUntil(mu_, until)) {
  }
  if (self->called) return true;
  idle_.erase(std::find(idle_.begin(), idle_.end(), self));
  return false;
}

}  // namespace dbos::runtime
