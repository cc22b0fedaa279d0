#include "sidecar/server/listening_socket.h"

#include <cstring>
#include <filesystem>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/match.h"

#include "sidecar/base/status.h"
#include "sidecar/server/system_error.h"

namespace dbos::sidecar {
namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* Generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

absl::Status PrepareDirectory(const std::string& path, mode_t socket_mode) {
  const std::filesystem::path directory = std::filesystem::absolute(path).parent_path();
  std::error_code error;
  if (std::filesystem::create_directories(directory, error)) {
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) return SystemError("cannot make the directory " + directory.string());
  const bool anyone_may_replace = (info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0;
  // A socket for everyone lives on a private volume: there the mount is the boundary, not the mode.
  if (!anyone_may_replace || (socket_mode & S_IWOTH) != 0) return absl::OkStatus();
  return absl::FailedPreconditionError("anyone may write to the directory " + directory.string() +
                                       ", so anyone could replace the socket: chmod o-w it, or choose another address");
}

bool SomebodyListens(const std::string& path) {
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_un address = AddressOf(path);
  // Any other error may come from one that lives: its queue is full, it is of another kind or another user's.
  const bool live = connect(probe, Generic(address), sizeof(address)) == 0 || errno != ECONNREFUSED;
  close(probe);
  return live;
}

absl::Status RemoveStale(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(path + " exists and is not a socket: remove it, or choose another address");
  }
  if (SomebodyListens(path)) {
    return absl::AlreadyExistsError("another program listens on " + path + ": stop it, or choose another address");
  }
  if (unlink(path.c_str()) != 0) return SystemError("cannot remove the stale socket " + path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> SocketPath(const std::string& address) {
  std::string path = address;
  if (absl::StartsWith(path, "unix:")) path.erase(0, 5);
  if (absl::StartsWith(path, "///")) path.erase(0, 2);
  const bool is_plain_path = path == address;
  const bool other_scheme = path.find("://") != std::string::npos || absl::StartsWith(address, "unix-abstract:") ||
                            (is_plain_path && path.find(':') != std::string::npos);  // host:port, tcp:...
  if (path.empty() || other_scheme || absl::StartsWith(path, "//")) {
    return absl::InvalidArgumentError("the address \"" + address +
                                      "\" is not a Unix socket: write unix:relative/path or unix:///absolute/path");
  }
  if (path.size() > kSocketPathBytesMax) {
    return absl::InvalidArgumentError("the socket path " + path + " has " + std::to_string(path.size()) +
                                      " bytes, the system's limit is " + std::to_string(kSocketPathBytesMax) +
                                      ": choose a shorter address");
  }
  return path;
}

absl::StatusOr<std::unique_ptr<ListeningSocket>> ListeningSocket::Reserve(const std::string& path, mode_t mode) {
  RETURN_IF_ERROR(PrepareDirectory(path, mode));
  ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, FileLock::Take(path + ".lock", "the socket " + path));
  RETURN_IF_ERROR(RemoveStale(path));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return SystemError("cannot make a socket");
  return std::unique_ptr<ListeningSocket>(new ListeningSocket(path, mode, std::move(lock), fd));
}

absl::Status ListeningSocket::Listen() {
  const sockaddr_un address = AddressOf(path_);
  // The mode of the unbound socket caps that of the file: there is no moment at which it is more open than asked.
  if (fchmod(fd_, mode_) != 0) return SystemError("cannot set the socket's mode");
  if (bind(fd_, Generic(address), sizeof(address)) != 0) return SystemError("cannot bind " + path_);
  struct stat info {};
  if (lstat(path_.c_str(), &info) != 0) return SystemError("cannot look at " + path_);
  device_ = info.st_dev;
  inode_ = info.st_ino;
  if (chmod(path_.c_str(), mode_) != 0) return SystemError("cannot set the mode of " + path_);
  if (listen(fd_, SOMAXCONN) != 0) return SystemError("cannot listen on " + path_);
  return absl::OkStatus();
}

ListeningSocket::~ListeningSocket() {
  close(fd_);
  struct stat info {};
  const bool ours = lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
  if (ours && inode_ != 0) unlink(path_.c_str());
}

}  // namespace dbos::sidecar
