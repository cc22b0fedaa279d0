// Latencies: what a benchmark measured, and its summary as the harness reads it.
//
// Threads: any; each measuring thread fills its own and merges it at the end.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include <nlohmann/json.hpp>

namespace dbos::benchmarks {

using Clock = std::chrono::steady_clock;

inline double Microseconds(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

class Latencies {
 public:
  void Add(Clock::duration time) { microseconds_.push_back(Microseconds(time)); }
  void Merge(const Latencies& other) {
    microseconds_.insert(microseconds_.end(), other.microseconds_.begin(), other.microseconds_.end());
  }
  std::size_t size() const { return microseconds_.size(); }

  nlohmann::json Summary() const {
    std::vector<double> sorted = microseconds_;
    std::sort(sorted.begin(), sorted.end());
    return {{"median_us", Quantile(sorted, 0.5)}, {"p99_us", Quantile(sorted, 0.99)}};
  }

 private:
  static double Quantile(const std::vector<double>& sorted, double quantile) {
    if (sorted.empty()) return 0;
    const auto at = static_cast<std::size_t>(static_cast<double>(sorted.size()) * quantile);
    return sorted[std::min(at, sorted.size() - 1)];
  }

  std::vector<double> microseconds_;
};

}  // namespace dbos::benchmarks
