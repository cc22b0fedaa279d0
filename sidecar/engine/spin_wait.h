// SpinWait: waits for an answer of the database without giving the processor up, where that has been worth it (ADR 13).
//
// Threads:  any. Blocking: IsReadable, at most `time`.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "absl/time/time.h"

namespace dbos::sidecar {

class SpinWait {
 public:
  // `time` 0: never waits.
  explicit SpinWait(absl::Duration time) : time_(time) {}

  // What takes about as long as the other of its kind.
  enum class For { kStatement, kEnd };
  // Whether `socket` has something to read. Does not look where the last waits of the kind were in vain: the more of
  // them, the longer it does not, up to kPassedMax times.
  bool IsReadable(int socket, For what);

  bool waits() const { return time_ > absl::ZeroDuration(); }

  static constexpr int kPassedMax = 63;

 private:
  // Nothing goes wrong when two threads mix them up.
  struct Luck {
    std::atomic<int> pass = 0;       // so many times more
    std::atomic<int> next_pass = 0;  // after another wait in vain
  };

  const absl::Duration time_;
  std::array<Luck, 2> luck_;
};

}  // namespace dbos::sidecar
