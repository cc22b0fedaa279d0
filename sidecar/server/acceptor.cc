#include "sidecar/server/acceptor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sidecar/base/check.h"
#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"
#include "sidecar/server/system_error.h"

namespace dbos::sidecar {
namespace {

constexpr int kOutOfDescriptorsPauseMs = 100;

}  // namespace

bool AllowedPeers::Contains(uid_t uid) const {
  return any || std::find(uids.begin(), uids.end(), uid) != uids.end();
}

Acceptor::Acceptor(const ListeningSocket& socket, AllowedPeers peers, Handle handle)
    : listening_fd_(socket.fd()),
      peers_(std::move(peers)),
      handle_(std::move(handle)),
      stop_fd_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Main(); }) {
  DBOS_CHECK(stop_fd_ >= 0);
}

Acceptor::~Acceptor() {
  const std::uint64_t one = 1;
  DBOS_CHECK(write(stop_fd_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  close(stop_fd_);
}

void Acceptor::Main() {
  std::array<pollfd, 2> waits = {{{listening_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
  while (true) {
    if (poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[1].revents != 0) return;
    AcceptOne();
  }
}

void Acceptor::AcceptOne() {
  const int fd = accept4(listening_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
    Log(LogLevel::kError, "cannot accept a connection", {{"error", Message(SystemError("accept"))}});
    pollfd stop = {stop_fd_, POLLIN, 0};
    poll(&stop, 1, kOutOfDescriptorsPauseMs);  // out of descriptors or memory: do not spin
    return;
  }
  ucred peer{};
  socklen_t length = sizeof(peer);
  const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  if (known && peers_.Contains(peer.uid)) {
    handle_(fd);
    return;
  }
  Log(LogLevel::kWarning, "connection refused: this user is not allowed (--allow-uid)",
      {{"uid", std::to_string(peer.uid)}, {"pid", std::to_string(peer.pid)}});
  close(fd);
}

}  // namespace dbos::sidecar
