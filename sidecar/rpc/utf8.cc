#include "sidecar/rpc/utf8.h"

#include <cstdint>
#include <cstring>

namespace dbos::sidecar {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080U;
constexpr std::uint64_t kLowBits = 0x0101010101010101U;

// True when the next eight bytes are ASCII without NUL: the common case, tested at once.
bool PlainWord(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  return ((word | (word - kLowBits)) & kHighBits) == 0;
}

bool IsTail(unsigned char byte, unsigned char low = 0x80, unsigned char high = 0xBF) {
  return byte >= low && byte <= high;
}

// The length of the well-formed character at the start of `text`, 0 if there is none (Unicode 15, table 3-7).
std::size_t CharacterLength(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  if (lead >= 0xC2 && lead <= 0xDF) return IsTail(at(1)) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned char low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : 0xBF;
    return IsTail(at(1), low, high) && IsTail(at(2)) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned char low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xF4 ? 0x8F : 0xBF;
    return IsTail(at(1), low, high) && IsTail(at(2)) && IsTail(at(3)) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool IsStorableText(std::string_view text) {
  while (!text.empty()) {
    if (text.size() >= 8 && PlainWord(text.data())) {
      text.remove_prefix(8);
      continue;
    }
    const std::size_t length = CharacterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string PrintableText(std::string_view text, std::size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = CharacterLength(text);
    const std::size_t taken = length == 0 ? 1 : length;
    if (out.size() + taken > max_bytes) break;
    if (length == 0) {
      out += '?';
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(taken);
  }
  return out;
}

}  // namespace dbos::sidecar
