#include "sidecar/engine/spin_wait.h"

#include <algorithm>
#include <chrono>

#include <poll.h>

namespace dbos::sidecar {
namespace {

bool Spin(int socket, absl::Duration time) {
  pollfd file = {.fd = socket, .events = POLLIN, .revents = 0};
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(time);
  do {
    if (poll(&file, 1, 0) > 0) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

bool SpinWait::IsReadable(int socket, For what) {
  Luck& luck = luck_.at(static_cast<std::size_t>(what));
  if (luck.pass > 0) {
    --luck.pass;
    return false;
  }
  const bool readable = Spin(socket, time_);
  luck.pass = readable ? 0 : luck.next_pass.load();
  luck.next_pass = readable ? 0 : std::min(2 * luck.next_pass + 1, kPassedMax);
  return readable;
}

}  // namespace dbos::sidecar
