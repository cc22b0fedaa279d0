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

ReadPool::~ReadPool() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mu_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads) thread.join();
}

bool ReadPool::Post(Read read) {
  {
    MutexLock lock(mu_);
    if (stopping_ || reads_.size() >= reads_max_) return false;
    reads_.push_back({std::move(read), role_ == StorageRole::kPooled ? storage_(role_) : nullptr});
    if (reads_.size() > idle_ && threads_.size() < threads_max_) threads_.emplace_back([this] { ThreadMain(); });
  }
  wake_.NotifyOne();
  return true;
}

void ReadPool::ThreadMain() {
  const std::unique_ptr<Storage> own = role_ == StorageRole::kPooled ? nullptr : storage_(role_);
  while (true) {
    Posted next;
    {
      MutexLock lock(mu_);
      ++idle_;
      while (reads_.empty() && !stopping_) wake_.Wait(mu_);
      --idle_;
      if (stopping_) return;
      next = std::move(reads_.front());
      reads_.pop_front();
    }
    next.read(next.storage == nullptr ? *own : *next.storage);
  }
}

absl::StatusOr<ReadResult> ReadPool::Run(Storage& storage, const ReadRequest& request) {
  return std::visit(Runner{storage}, request);
}

}  // namespace dbos::sidecar
