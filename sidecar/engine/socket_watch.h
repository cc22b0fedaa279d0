// SocketWatch: one thread waits for many sockets, each of which reports once for every time that it is armed.
//
// Threads:  Wait from one, the others from any. Blocking: Wait.
// Lifetime: a socket that was armed may be closed at any time; it then reports no more.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include <sys/epoll.h>

#include "absl/time/time.h"

namespace dbos::sidecar {

class SocketWatch {
 public:
  SocketWatch();
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;

  enum class For { kReading, kReadingAndWriting };
  // `owner` is what Wait reports, not null.
  void Arm(int socket, void* owner, For what);

  // The owners of sockets that have become ready; none when the time was over, or after Wake. Valid until the next
  // Wait.
  std::span<void* const> Wait(absl::Duration time);
  void Wake();

 private:
  static constexpr std::size_t kBatch = 64;

  const int epoll_;
  const int wake_;  // an event file
  std::array<epoll_event, kBatch> events_;
  std::array<void*, kBatch> owners_;
};

}  // namespace dbos::sidecar
