#include "sidecar/server/signals.h"

#include <csignal>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

sigset_t Handled() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  return set;
}

int OpenSignals() {
  const sigset_t set = Handled();
  DBOS_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  std::signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

Signals::Signals() : fd_(OpenSignals()) {
  DBOS_CHECK(fd_ >= 0);
}

Signals::~Signals() {
  close(fd_);
}

std::optional<Signals::Received> Signals::Wait(absl::Duration timeout, int other_fd) {
  pollfd wait[] = {{fd_, POLLIN, 0}, {other_fd, POLLIN, 0}};
  const int wait_ms = timeout == absl::InfiniteDuration() ? -1 : static_cast<int>(absl::ToInt64Milliseconds(timeout));
  if (poll(wait, 2, wait_ms) <= 0) return std::nullopt;
  signalfd_siginfo info{};
  if (read(fd_, &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  return Received{static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL};
}

void Signals::Release() {
  const sigset_t set = Handled();
  DBOS_CHECK(pthread_sigmask(SIG_UNBLOCK, &set, nullptr) == 0);
}

}  // namespace dbos::sidecar
