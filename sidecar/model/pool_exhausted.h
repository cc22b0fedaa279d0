// What somebody is told who waited for a database connection in vain: the same words for every pool.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace dbos::sidecar {

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
