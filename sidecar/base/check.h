// CHECK: a programmer error ends the process in every build. Errors of the world are absl::Status.
#pragma once

namespace dbos::sidecar {

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace dbos::sidecar

#define DBOS_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::dbos::sidecar::CheckFailed(#condition, __FILE__, __LINE__))
