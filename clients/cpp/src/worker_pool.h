// WorkerPool: threads for workflows and concurrent steps. gRPC's threads never run user code; they submit here.
//
// A job waits for the next thread that is free. Threads are sent for while jobs wait, the one that became idle last
// first, else a new one: beyond `max_threads` nothing starts until one is free. Idle threads end after half a minute.
//
// Threads:  Submit from any thread. Blocking: never, apart from Stop, which waits for all jobs.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "mutex.h"

namespace dbos::runtime {

class WorkerPool {
 public:
  using Job = std::function<void()>;

  explicit WorkerPool(std::size_t max_threads) : max_threads_(max_threads) {}
  ~WorkerPool() { Stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void Submit(Job job);
  // Runs what is queued, waits for all jobs and ends the threads. Jobs submitted later never run.
  void Stop();

 private:
  struct Worker {
    CondVar wake;
    bool called = true;  // it was sent for and is not here yet
  };
  std::shared_ptr<Worker> CallWorker() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AddThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Work();
  bool NextJob(const std::shared_ptr<Worker>& self, Job& job);
  bool WaitForCall(const std::shared_ptr<Worker>& self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::size_t max_threads_;
  Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::size_t threads_ ABSL_GUARDED_BY(mu_) = 0;
  std::size_t called_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<std::shared_ptr<Worker>> idle_ ABSL_GUARDED_BY(mu_);
  std::deque<Job> queue_ ABSL_GUARDED_BY(mu_);
  CondVar all_gone_;
};

}  // namespace dbos::runtime
