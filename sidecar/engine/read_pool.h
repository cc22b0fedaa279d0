// ReadPool: threads that run reads, each on a Storage of its own.
//
// Threads:  Post from any thread.
// Limits:   at most `reads_max` reads wait; Post then returns false.
// Lifetime: destruction waits for reads that run and drops those that wait.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

#include "sidecar/base/mutex.h"
#include "sidecar/engine/engine.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

class ReadPool {
 public:
  using Read = absl::AnyInvocable<void(Storage&)>;

  ReadPool(const StorageFactory& storage, StorageRole role, std::size_t threads, std::size_t reads_max);
  ~ReadPool();
  ReadPool(const ReadPool&) = delete;
  ReadPool& operator=(const ReadPool&) = delete;

  [[nodiscard]] bool Post(Read read);

  // What the engine asked for, answered.
  static absl::StatusOr<ReadResult> Run(Storage& storage, const ReadRequest& request);

 private:
  void ThreadMain(const StorageFactory& storage, StorageRole role);

  const std::size_t reads_max_;
  Mutex mu_;
  CondVar wake_;
  std::deque<Read> reads_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace dbos::sidecar
