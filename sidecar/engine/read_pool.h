// ReadPool: threads that run reads. Each has a Storage of its own; of StorageRole::kPooled each read has one, made when
// it is posted, since its wait for a connection begins then.
//
// Threads:  Post from any thread.
// Limits:   at most `reads_max` reads wait; Post then returns false. At most `threads`, each made when it is needed.
// Lifetime: destruction waits for reads that run and drops those that wait.
#pragma once

#include <deque>
#include <memory>
#include <thread>
#include <utility>
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

  ReadPool(StorageFactory storage, StorageRole role, std::size_t threads, std::size_t reads_max)
      : storage_(std::move(storage)), role_(role), threads_max_(threads), reads_max_(reads_max) {}
  ~ReadPool();
  ReadPool(const ReadPool&) = delete;
  ReadPool& operator=(const ReadPool&) = delete;

  [[nodiscard]] bool Post(Read read);

  // What the engine asked for, answered.
  static absl::StatusOr<ReadResult> Run(Storage& storage, const ReadRequest& request);

 private:
  struct Posted {
    Read read;
    std::unique_ptr<Storage> storage;  // none: the thread's
  };

  void ThreadMain();

  const StorageFactory storage_;
  const StorageRole role_;
  const std::size_t threads_max_;
  const std::size_t reads_max_;
  Mutex mu_;
  CondVar wake_;
  std::deque<Posted> reads_ ABSL_GUARDED_BY(mu_);
  std::size_t idle_ ABSL_GUARDED_BY(mu_) = 0;  // threads
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);  // no more when we stop
};

}  // namespace dbos::sidecar
