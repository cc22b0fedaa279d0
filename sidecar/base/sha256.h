// SHA-256, from OpenSSL.
//
// Threads: any. Blocking: never.
#pragma once

#include <string>
#include <string_view>

namespace dbos::sidecar {

// 64 hexadecimal digits.
std::string Sha256Hex(std::string_view data);

}  // namespace dbos::sidecar
