// Outbox: what waits to be written on one stream, and whose turn it is to touch the stream.
//
// gRPC allows one write at a time, nothing after Finish, and Finish once. The outbox decides under its lock what comes
// next and hands that out exactly once; the caller then does it without the lock.
//
// Threads:  any. Blocking: never.
// Limits:   a message is closed at about `message_bytes`; more than `waiting_bytes` waiting, or one write that the
//           other end does not take for `patience`, means a client that stopped reading: the call is cancelled. What
//           comes beyond `waiting_bytes` until then is dropped.
// Memory:   messages are built on an arena of their own and dropped whole.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include <google/protobuf/arena.h>
#include <grpcpp/support/status.h>

#include "sidecar/base/mutex.h"
#include "sidecar/engine/sink.h"

namespace dbos::sidecar {

inline constexpr std::size_t kOutboxBytesMax = std::size_t{128} << 20;
inline constexpr std::chrono::seconds kWritePatience{10};

enum class StreamAction {
  kNone,
  kWrite,   // StartWrite(outbox.writing()), then Written() when it is done
  kFinish,  // Finish(outbox.status())
  kCancel,  // TryCancel(): the client does not read
};

template <typename Message>
class Outbox {
 public:
  struct Limits {
    std::size_t message_bytes = 1 << 20;
    std::size_t waiting_bytes = kOutboxBytesMax;
    std::chrono::milliseconds patience = kWritePatience;
  };
  explicit Outbox(const Limits& limits) : limits_(limits) {}

  // Runs `add` on the message being filled, which will grow by about `bytes`. Ignored once the stream has ended.
  template <typename Add>
  void Append(std::size_t bytes, Add add) {
    MutexLock lock(mu_);
    if (ended_) return;
    overflowed_ = overflowed_ || bytes_ > limits_.waiting_bytes;
    if (overflowed_) return;
    if (waiting_.empty() || waiting_.back()->bytes + bytes > limits_.message_bytes) waiting_.push_back(NewBatch());
    Batch& batch = *waiting_.back();
    add(*batch.message);
    batch.bytes += bytes;
    bytes_ += bytes;
  }

  // Nothing is accepted any more; the stream finishes with `status` once everything before is written.
  void End(grpc::Status status) {
    MutexLock lock(mu_);
    if (ended_) return;
    ended_ = true;
    status_ = std::move(status);
  }

  // The other end is gone: what waits is dropped.
  void Abort() {
    MutexLock lock(mu_);
    ended_ = true;
    overflowed_ = false;
    waiting_.clear();
    bytes_ = 0;
  }

  // What the caller has to do now. Each answer but kNone is given once.
  StreamAction Next() {
    MutexLock lock(mu_);
    if (finished_) return StreamAction::kNone;
    if (writing_ || overflowed_) return IsStuck() ? StreamAction::kCancel : StreamAction::kNone;
    if (!waiting_.empty()) {
      writing_ = std::move(waiting_.front());
      waiting_.pop_front();
      write_started_ = Clock::now();
      return StreamAction::kWrite;
    }
    if (!ended_) return StreamAction::kNone;
    finished_ = true;
    return StreamAction::kFinish;
  }

  // True: from now on no more than kStreamBytesAhead wait.
  bool Written() {
    MutexLock lock(mu_);
    const bool many = bytes_ > kStreamBytesAhead;
    bytes_ -= std::min(bytes_, writing_->bytes);
    spare_ = std::move(writing_);
    spare_->Reset();
    return many && bytes_ <= kStreamBytesAhead;
  }

  std::size_t waiting_bytes() {
    MutexLock lock(mu_);
    return bytes_;
  }

  // Stable between kWrite and Written.
  const Message* writing() {
    MutexLock lock(mu_);
    return writing_->message;
  }

  grpc::Status status() {
    MutexLock lock(mu_);
    return status_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  struct Batch {
    static google::protobuf::ArenaOptions Options() {
      google::protobuf::ArenaOptions options;
      options.start_block_size = 1024;
      return options;
    }

    google::protobuf::Arena arena{Options()};
    Message* message = google::protobuf::Arena::CreateMessage<Message>(&arena);
    std::size_t bytes = 0;

    void Reset() {
      arena.Reset();
      message = google::protobuf::Arena::CreateMessage<Message>(&arena);
      bytes = 0;
    }
  };

  std::unique_ptr<Batch> NewBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return spare_ ? std::move(spare_) : std::make_unique<Batch>();
  }

  bool IsStuck() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (cancelled_) return false;
    cancelled_ = overflowed_ || bytes_ > limits_.waiting_bytes || Clock::now() - write_started_ > limits_.patience;
    return cancelled_;
  }

  const Limits limits_;
  Mutex mu_;
  std::deque<std::unique_ptr<Batch>> waiting_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Batch> writing_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Batch> spare_ ABSL_GUARDED_BY(mu_);
  std::size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  Clock::time_point write_started_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  bool overflowed_ ABSL_GUARDED_BY(mu_) = false;  // something was dropped
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mu_) = grpc::Status(grpc::CANCELLED, "the stream ended");
};

}  // namespace dbos::sidecar
