// StateDirectory: where one sidecar keeps what must outlive it: its executor id and who was attached.
//
// Locked for as long as it is open, so that two sidecars never share an executor id.
// Blocking: small files.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "sidecar/server/file_lock.h"

namespace dbos::sidecar {

class StateDirectory {
 public:
  // Makes it (0700) if it is missing. AlreadyExists: another process has it.
  static absl::StatusOr<StateDirectory> Open(const std::string& path);

  // The id kept here; a fresh random one the first time.
  absl::StatusOr<std::string> ExecutorId() const;
  std::string ProcessesFile() const { return path_ + "/processes"; }

 private:
  StateDirectory(std::string path, std::unique_ptr<FileLock> lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  std::unique_ptr<FileLock> lock_;
};

// Writes a file whole or not at all.
absl::Status ReplaceFile(const std::string& path, const std::string& content);

}  // namespace dbos::sidecar
