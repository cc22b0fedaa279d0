#include "sidecar/engine/socket_watch.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include <sys/eventfd.h>
#include <unistd.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {

SocketWatch::SocketWatch()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), events_(), owners_() {
  DBOS_CHECK(epoll_ >= 0 && wake_ >= 0);  // the process has no file left
  epoll_event event = {.events = EPOLLIN, .data = {.ptr = nullptr}};
  DBOS_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
}

SocketWatch::~SocketWatch() {
  close(wake_);
  close(epoll_);
}

// A socket that was closed has left the set by itself, and its number may be that of another one by now.
void SocketWatch::Arm(int socket, void* owner, For what) {
  epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {.ptr = owner}};
  if (what == For::kReadingAndWriting) event.events |= EPOLLOUT;
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event) == 0) return;
  DBOS_CHECK(errno == ENOENT && epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) == 0);
}

std::span<void* const> SocketWatch::Wait(absl::Duration time) {
  const std::int64_t left = absl::ToInt64Milliseconds(absl::Ceil(time, absl::Milliseconds(1)));
  const auto milliseconds = static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
  const int ready = epoll_wait(epoll_, events_.data(), kBatch, milliseconds);
  DBOS_CHECK(ready >= 0 || errno == EINTR);
  std::size_t owners = 0;
  for (int n = 0; n < ready; ++n) {
    void* const owner = events_[static_cast<std::size_t>(n)].data.ptr;
    std::uint64_t wakes = 0;
    if (owner != nullptr) {
      owners_[owners++] = owner;
    } else {
      static_cast<void>(read(wake_, &wakes, sizeof(wakes)));
    }
  }
  return {owners_.data(), owners};
}

void SocketWatch::Wake() {
  const std::uint64_t one = 1;
  DBOS_CHECK(write(wake_, &one, sizeof(one)) == sizeof(one));
}

}  // namespace dbos::sidecar
