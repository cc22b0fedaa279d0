// UTF-8 as the databases accept it.
//
// Threads: any. Blocking: never.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dbos::sidecar {

// The length of the longest beginning of `text` that is storable; all of it, when it is.
std::size_t StorablePrefix(std::string_view text);

// Valid UTF-8 (no overlong form, no surrogate, at most U+10FFFF) without a NUL byte.
bool IsStorableText(std::string_view text);

// At most `max_bytes` of `text`, cut between characters; bytes that are not UTF-8 become '?'.
std::string PrintableText(std::string_view text, std::size_t max_bytes);

}  // namespace dbos::sidecar
