#include "sidecar/server/file_lock.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "sidecar/server/system_error.h"

namespace dbos::sidecar {
namespace {

std::string HolderPid(int fd) {
  std::array<char, 32> text{};
  const ssize_t length = pread(fd, text.data(), text.size() - 1, 0);
  if (length <= 0) return "unknown";
  std::string pid(text.data(), static_cast<std::size_t>(length));
  return pid.substr(0, pid.find('\n'));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileLock>> FileLock::Take(const std::string& path, const std::string& what) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return SystemError("cannot open the lock file " + path + " (this user must be able to write its directory)");
  std::unique_ptr<FileLock> lock(new FileLock(fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError("cannot lock " + path);
    return absl::AlreadyExistsError(what + " is in use by the process " + HolderPid(fd) + " (lock file " + path +
                                    "): stop that process, or give this one another");
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return SystemError("cannot write the lock file " + path);
  }
  return lock;
}

FileLock::~FileLock() {
  close(fd_);
}

}  // namespace dbos::sidecar
