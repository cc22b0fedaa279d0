#include "sidecar/server/state_directory.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sidecar/base/ids.h"
#include "sidecar/base/status.h"
#include "sidecar/server/system_error.h"

namespace dbos::sidecar {

absl::StatusOr<StateDirectory> StateDirectory::Open(const std::string& path) {
  std::error_code error;
  if (std::filesystem::create_directories(path, error)) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  }
  if (!std::filesystem::is_directory(path, error)) {
    return absl::FailedPreconditionError("cannot make the state directory " + path +
                                         ": choose another with --state-dir");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, FileLock::Take(path + "/lock", "the state directory " + path));
  return StateDirectory(path, std::move(lock));
}

absl::StatusOr<std::string> StateDirectory::ExecutorId() const {
  const std::string file = path_ + "/executor-id";
  std::string id;
  if (std::ifstream in(file); in && std::getline(in, id) && !id.empty()) return id;
  id = RandomUuid();
  RETURN_IF_ERROR(ReplaceFile(file, id + "\n"));
  return id;
}

absl::Status ReplaceFile(const std::string& path, const std::string& content) {
  const std::string fresh = path + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError("cannot write " + fresh);
  const bool written = write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  close(fd);
  if (!written || std::rename(fresh.c_str(), path.c_str()) != 0) return SystemError("cannot write " + path);
  return absl::OkStatus();
}

}  // namespace dbos::sidecar
