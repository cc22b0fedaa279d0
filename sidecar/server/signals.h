// Signals: SIGINT, SIGTERM and SIGCHLD as values that one thread waits for.
//
// Make it before any thread starts: threads inherit the mask. SIGPIPE is ignored from then on.
//
// Threads:  one. Blocking: Wait.
#pragma once

#include <optional>

#include <sys/types.h>

#include "absl/time/time.h"

namespace dbos::sidecar {

class Signals {
 public:
  struct Received {
    int number = 0;
    bool from_terminal = false;  // Ctrl-C: the whole foreground group got it
  };

  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // None when the time is over, or when `other_fd` has something to read (-1: there is no other).
  std::optional<Received> Wait(absl::Duration timeout, int other_fd = -1);

  // From now on a second SIGINT or SIGTERM ends the process at once.
  void Release();

 private:
  const int fd_;
};

}  // namespace dbos::sidecar
