// What every pool of database connections shows of itself, and what somebody is told who waited for one in vain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace dbos::sidecar {

struct PoolUsage {
  int in_use = 0;
  int idle = 0;
  int waiting = 0;
  std::uint64_t timeouts = 0;  // since the start
};

// Transactions that shared a commit, since the start.
struct GroupUsage {
  std::uint64_t committed = 0;     // groups
  std::uint64_t transactions = 0;  // in those
  std::uint64_t failed = 0;        // groups whose transactions went alone instead
};

struct PoolState {
  std::string name;  // "system", "application"
  int size = 0;
  int max_overflow = 0;
  absl::Duration timeout;
  std::size_t waiting = 0;
  struct Holder {
    std::string what;
    absl::Duration since;
  };
  std::vector<Holder> holders;
};

std::string PoolExhausted(const PoolState& state);

}  // namespace dbos::sidecar
