#include "sidecar/base/sha256.h"

#include <array>

#include <openssl/evp.h>

#include "absl/strings/escaping.h"

#include "sidecar/base/check.h"

namespace dbos::sidecar {

std::string Sha256Hex(std::string_view data) {
  std::array<unsigned char, 32> digest{};
  DBOS_CHECK(EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace dbos::sidecar
