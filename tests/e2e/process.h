// Process: a real child process of a test, to be killed and paused at the worst moment.
//
// Threads:  one. Lifetime: the destructor kills what still runs and collects it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "absl/time/time.h"

namespace dbos::sidecar {

class Process {
 public:
  struct Options {
    std::map<std::string, std::string> environment;  // added to the test's own
    std::string output;                              // file for standard output and error, appended; empty: inherited
    std::string directory;                           // working directory; empty: the test's own
  };

  Process(const std::vector<std::string>& command, const Options& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Kill() { Signal(SIGKILL_); }
  void Stop();      // SIGSTOP, and waits until it has stopped
  void Continue();  // SIGCONT
  void Terminate();
  // Waits for its end. The exit code, 128 + signal, or -1 when it still runs after `timeout`.
  int Wait(absl::Duration timeout);
  // True when it is stopped by a signal now.
  bool WaitStopped(absl::Duration timeout);
  bool Running();

 private:
  static constexpr int SIGKILL_ = 9;
  void Signal(int signal);

  pid_t pid_ = -1;
  int exit_code_ = -1;
  bool ended_ = false;
};

// Waits until `condition()` holds. False when it does not within the time.
template <typename Condition>
bool Eventually(absl::Duration timeout, Condition condition);

void Pause(absl::Duration duration);
absl::Duration SinceBoot();

template <typename Condition>
bool Eventually(absl::Duration timeout, Condition condition) {
  const absl::Duration end = SinceBoot() + timeout;
  while (!condition()) {
    if (SinceBoot() > end) return false;
    Pause(absl::Milliseconds(10));
  }
  return true;
}

}  // namespace dbos::sidecar
