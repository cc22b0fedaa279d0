// A failed system call as a status that says what was tried.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

#include "absl/status/status.h"

namespace dbos::sidecar {

inline absl::Status SystemError(const std::string& what) {
  const int error = errno;
  return absl::FailedPreconditionError(what + ": " + std::generic_category().message(error));
}

}  // namespace dbos::sidecar
