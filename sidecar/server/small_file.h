// Reads a small file whole.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace dbos::sidecar {

// InvalidArgument, with the path: it cannot be read, or has more than `bytes_max` bytes.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, std::size_t bytes_max);

// A secret that a file brings (Kubernetes, Docker): its content without the line ends at its end, at most 64 KiB.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path);

}  // namespace dbos::sidecar
