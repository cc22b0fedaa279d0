#include "sidecar/engine/read_pool.h"

#include <utility>

namespace dbos::sidecar {
namespace {

// A reply carries at most this much of one workflow's steps; the rest follows in pages.
constexpr std::int64_t kReplayPageBytes = 256 << 10;

struct Runner {
  Storage& storage;

  template <typename T>
  static absl::StatusOr<ReadResult> Wrap(absl::StatusOr<T> answer) {
    if (!answer.ok()) return answer.status();
    return ReadResult(*std::move(answer));
  }

  absl::StatusOr<ReadResult> operator()(const FindClaimableRead& read) const {
    return Wrap(storage.FindClaimable(read.filter));
  }
  absl::StatusOr<ReadResult> operator()(const LoadReplayRead& read) const {
    return Wrap(storage.LoadReplay(read.requests, kReplayPageBytes));
  }
  absl::StatusOr<ReadResult> operator()(const ReadOutcomesRead& read) const {
    return Wrap(storage.ReadOutcomes(read.workflow_ids));
  }
  absl::StatusOr<ReadResult> operator()(const ProbeRead& read) const { return Wrap(storage.Probe(read.request)); }
};

}  // namespace

ReadPool::ReadPool(const StorageFactory& storage, StorageRole role, std::size_t threads, std::size_t reads_max)
    : reads_max_(reads_max) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, storage, role] { ThreadMain(storage, role); });
  }
}

ReadPool::~ReadPool() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

bool ReadPool::Post(Read read) {
  {
    MutexLock lock(mu_);
    if (stopping_ || reads_.size() >= reads_max_) return false;
    reads_.push_back(std::move(read));
  }
  wake_.NotifyOne();
  return true;
}

void ReadPool::ThreadMain(const StorageFactory& storage, StorageRole role) {
  const std::unique_ptr<Storage> own = storage(role);
  while (true) {
    Read read;
    {
      MutexLock lock(mu_);
      while (reads_.empty() && !stopping_) wake_.Wait(mu_);
      if (stopping_) return;
      read = std::move(reads_.front());
      reads_.pop_front();
    }
    read(*own);
  }
}

absl::StatusOr<ReadResult> ReadPool::Run(Storage& storage, const ReadRequest& request) {
  return std::visit(Runner{storage}, request);
}

}  // namespace dbos::sidecar
