#include "sidecar/server/small_file.h"

#include <fstream>

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kSecretBytesMax = 64 << 10;

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t bytes_max) {
  std::ifstream file(path, std::ios::binary);
  std::string text(bytes_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return absl::InvalidArgumentError("cannot read the file " + path + ": check the path and its mode");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() <= bytes_max) return text;
  return absl::InvalidArgumentError(path + " has more than " + std::to_string(bytes_max) + " bytes");
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadSmallFile(path, kSecretBytesMax));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

}  // namespace dbos::sidecar
