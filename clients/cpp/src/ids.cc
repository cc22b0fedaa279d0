#include "ids.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include <unistd.h>

namespace dbos::runtime {
namespace {

// One system call for many ids: every start takes one.
struct Entropy {
  std::array<std::uint8_t, 256> bytes{};
  std::size_t used = sizeof(bytes);

  const std::uint8_t* Take(std::size_t count) {
    if (used + count > bytes.size()) {
      if (getentropy(bytes.data(), bytes.size()) != 0) std::abort();
      used = 0;
    }
    used += count;
    return bytes.data() + used - count;
  }
};

using Uuid = std::array<std::uint8_t, 16>;

Uuid RandomBytes() {
  thread_local Entropy entropy;
  Uuid uuid;
  std::copy_n(entropy.Take(uuid.size()), uuid.size(), uuid.begin());
  return uuid;
}

std::string ToText(Uuid uuid, unsigned version) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    unsigned byte = uuid[i];
    if (i == 6) byte = (byte & 0x0FU) | (version << 4U);
    if (i == 8) byte = (byte & 0x3FU) | 0x80U;
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[byte >> 4U];
    text += kHex[byte & 0x0FU];
  }
  return text;
}

}  // namespace

std::string RandomUuid() {
  return ToText(RandomBytes(), 4);
}

std::string TimeOrderedUuid() {
  Uuid uuid = RandomBytes();
  const auto now = static_cast<std::uint64_t>(NowMs());
  for (std::size_t i = 0; i < 6; ++i) uuid[i] = static_cast<std::uint8_t>(now >> (8 * (5 - i)));
  return ToText(uuid, 7);
}

std::int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace dbos::runtime
