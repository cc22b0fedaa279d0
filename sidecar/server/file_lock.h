// FileLock: a lock that the kernel releases when the process ends, however it ends.
//
// Threads:  any. Blocking: never waits for the holder.
// Lifetime: held until destroyed. The file stays: removing it would let two processes hold "the" lock.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace dbos::sidecar {

class FileLock {
 public:
  // AlreadyExists: another process holds it; the message names `what`, the path and the holder's pid.
  static absl::StatusOr<std::unique_ptr<FileLock>> Take(const std::string& path, const std::string& what);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace dbos::sidecar
