// Runs what nothing can interrupt, such as libpq's waiting for a server that says nothing, until it ends or a signal
// says to stop.
#pragma once

#include <atomic>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/base/check.h"
#include "sidecar/server/signals.h"

namespace dbos::sidecar {

// On a thread of its own, which is told by `stopping`. If a signal to stop comes first the answer is `stopped`, half
// a second later at most: that thread is then left behind, because the process is about to end.
template <typename T>
absl::StatusOr<T> RunUnlessStopped(Signals& signals, const absl::Status& stopped,
                                   std::function<absl::StatusOr<T>(const std::atomic<bool>& stopping)> body) {
  constexpr absl::Duration kGrace = absl::Milliseconds(500);  // what works, and does not hang, may finish
  struct Shared {
    Shared() = default;
    ~Shared() { close(ended); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    const int ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);  // has a number to read once `result` is there
    std::atomic<bool> stopping = false;
    absl::StatusOr<T> result;
  };
  auto shared = std::make_shared<Shared>();
  std::thread([shared, body = std::move(body)] {
    shared->result = body(shared->stopping);
    constexpr std::uint64_t kEnded = 1;
    DBOS_CHECK(write(shared->ended, &kEnded, sizeof(kEnded)) == sizeof(kEnded));
  }).detach();
  for (std::uint64_t ended = 0; read(shared->ended, &ended, sizeof(ended)) < 0;) {
    const auto signal = signals.Wait(absl::InfiniteDuration(), shared->ended);
    if (!signal || signal->number == SIGCHLD) continue;
    shared->stopping.store(true);
    signals.Wait(kGrace, shared->ended);
    return stopped;
  }
  return std::move(shared->result);  // not shared any more: that thread may end later than this answer
}

}  // namespace dbos::sidecar
