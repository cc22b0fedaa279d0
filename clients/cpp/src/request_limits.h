// RequestLimits: the sizes that the sidecar takes, as far as requests are checked before they are sent.
#pragma once

#include <cstddef>

namespace dbos::runtime {

// The defaults hold until the sidecar has told its own.
struct RequestLimits {
  std::size_t max_name_bytes = 1024;
  std::size_t max_payload_bytes = 4 << 20;
};

}  // namespace dbos::runtime
