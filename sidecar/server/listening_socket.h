// ListeningSocket: our Unix socket in the file system.
//
// A live sidecar's socket is never taken over, a dead one's is replaced; at the end only our own file is removed.
//
// Threads:  any. Blocking: no.
// Limits:   a path of at most 107 bytes, which is the kernel's.
#pragma once

#include <memory>
#include <string>

#include <sys/types.h>

#include "absl/status/statusor.h"

#include "sidecar/server/file_lock.h"

namespace dbos::sidecar {

inline constexpr std::size_t kSocketPathBytesMax = 107;
inline constexpr mode_t kPrivateSocketMode = 0600;

// "unix:relative/path", "unix:/absolute" or "unix:///absolute". InvalidArgument names the forms.
absl::StatusOr<std::string> SocketPath(const std::string& address);

class ListeningSocket {
 public:
  // Reserves the path: makes the directory (0700) if it is missing, takes the lock, removes what a dead process left.
  // AlreadyExists: a live process has the socket.
  static absl::StatusOr<std::unique_ptr<ListeningSocket>> Reserve(const std::string& path, mode_t mode);
  ~ListeningSocket();  // closes and removes the file, if it is still ours
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  // From here on clients can connect.
  absl::Status Listen();

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  ListeningSocket(std::string path, mode_t mode, std::unique_ptr<FileLock> lock, int fd)
      : path_(std::move(path)), mode_(mode), lock_(std::move(lock)), fd_(fd) {}

  const std::string path_;
  const mode_t mode_;
  const std::unique_ptr<FileLock> lock_;
  const int fd_;
  dev_t device_ = 0;  // of the file we made
  ino_t inode_ = 0;
};

}  // namespace dbos::sidecar
