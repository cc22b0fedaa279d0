#include "sidecar/base/utf8.h"

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

// How long a character is that begins with this byte, 0 if none does.
std::size_t LengthAfter(unsigned char lead) {
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (lead < 0xE0) return 2;
  return lead < 0xF0 ? 3 : 4;
}

bool IsSecond(unsigned char byte, unsigned char lead) {
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  return byte >= low && byte <= high;
}

// The length of the well-formed character at the start of `text`, 0 if there is none (Unicode 15, table 3-7).
std::size_t CharacterLength(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  const std::size_t length = LengthAfter(at(0));
  if (length > 1 && !IsSecond(at(1), at(0))) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xBF) return 0;
  }
  return length;
}

}  // namespace

std::size_t StorablePrefix(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    if (rest.size() >= 8 && PlainWord(rest.data())) {
      rest.remove_prefix(8);
      continue;
    }
    const std::size_t length = CharacterLength(rest);
    if (length == 0) break;
    rest.remove_prefix(length);
  }
  return text.size() - rest.size();
}

bool IsStorableText(std::string_view text) {
  return StorablePrefix(text) == text.size();
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
