#include "sidecar/base/ids.h"

#include <array>
#include <cstdint>

#include <unistd.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

// One system call per 64 UUIDs: a start mints one, and a start is on the hot path.
struct RandomPool {
  std::array<std::uint8_t, 1024> bytes{};
  std::size_t used = sizeof(bytes);

  const std::uint8_t* Take16() {
    if (used == bytes.size()) {
      for (std::size_t at = 0; at < bytes.size(); at += 256) DBOS_CHECK(getentropy(bytes.data() + at, 256) == 0);
      used = 0;
    }
    used += 16;
    return bytes.data() + used - 16;
  }
};

}  // namespace

std::string RandomUuid() {
  thread_local RandomPool pool;
  std::array<std::uint8_t, 16> raw{};
  const std::uint8_t* source = pool.Take16();
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = source[i];
  raw[6] = static_cast<std::uint8_t>((raw[6] & 0x0F) | 0x40);
  raw[8] = static_cast<std::uint8_t>((raw[8] & 0x3F) | 0x80);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[raw[i] >> 4];
    text += kHex[raw[i] & 0x0F];
  }
  return text;
}

}  // namespace dbos::sidecar
