// RequestLimits: the sizes that the sidecar takes, as far as requests are checked before they are sent.
#pragma once

#include <cstddef>

namespace dbos::runtime {

// Levels of nesting of a value. The sidecar has the same number (sidecar/rpc/json_check.h) and refuses what is deeper.
inline constexpr int kJsonDepthMax = 200;

// Of a gRPC message, where the sidecar has not told its own.
inline constexpr int kMessageBytesMax = 8 << 20;

// The defaults hold until the sidecar has told its own.
struct RequestLimits {
  std::size_t max_name_bytes = 1024;
  std::size_t max_payload_bytes = 4 << 20;
};

}  // namespace dbos::runtime
