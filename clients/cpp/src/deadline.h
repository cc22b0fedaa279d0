// Deadlines: what user code gives as a time to wait, milliseconds::max() included, as a point in time.
#pragma once

#include <algorithm>
#include <chrono>

namespace dbos::runtime {

// Longer than any wait, and short enough for every clock and for the sidecar.
inline constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours(24 * 365 * 50);

inline std::chrono::milliseconds Bounded(std::chrono::milliseconds wait) {
  return std::clamp(wait, std::chrono::milliseconds(0), kLongestWait);
}

template <class Clock = std::chrono::steady_clock>
typename Clock::time_point DeadlineAfter(std::chrono::milliseconds wait) {
  return Clock::now() + Bounded(wait);
}

}  // namespace dbos::runtime
