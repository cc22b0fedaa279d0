// Checks that a payload is JSON, without building it.
//
// Threads: any. Blocking: never. Limits: nesting is bounded, so that no reader of the value needs a deep stack.
#pragma once

#include <string>
#include <string_view>

namespace dbos::sidecar {

inline constexpr int kJsonDepthMax = 200;

enum class JsonShape { kAny, kObject };

// Empty if `text` is one JSON value of this shape, else what is wrong with it.
std::string JsonFault(std::string_view text, JsonShape shape);

}  // namespace dbos::sidecar
