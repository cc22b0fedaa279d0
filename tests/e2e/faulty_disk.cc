#include "tests/e2e/faulty_disk.h"

#include <cerrno>
#include <initializer_list>

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "sidecar/base/check.h"

namespace dbos::sidecar {
namespace {

// The error of a write now, 0 for none.
int WriteError() {
  if (access(kDiskFull, F_OK) == 0) return ENOSPC;
  return access(kDiskReadOnly, F_OK) == 0 ? EROFS : 0;
}

int Fail(int error) {
  errno = error;
  return -1;
}

ssize_t Pwrite(int fd, const void* bytes, std::size_t count, off_t offset) {
  if (const int error = WriteError(); error != 0) return Fail(error);
  return pwrite(fd, bytes, count, offset);
}

int Truncate(int fd, off_t length) {
  if (access(kDiskReadOnly, F_OK) == 0) return Fail(EROFS);
  return ftruncate(fd, length);
}

int Open(const char* path, int flags, int mode) {
  if ((flags & O_ACCMODE) != O_RDONLY && access(kDiskReadOnly, F_OK) == 0) return Fail(EROFS);
  return open(path, flags, mode);
}

template <typename Function>
void Replace(sqlite3_vfs& vfs, const char* name, Function function) {
  DBOS_CHECK(vfs.xSetSystemCall(&vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(function)) == SQLITE_OK);
}

}  // namespace

void InstallFaultyDisk() {
  sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  DBOS_CHECK(vfs != nullptr);
  Replace(*vfs, "open", Open);
  Replace(*vfs, "ftruncate", Truncate);
  // Which of them SQLite calls depends on how it was built.
  for (const char* name : {"pwrite", "pwrite64"}) {
    if (vfs->xGetSystemCall(vfs, name) != nullptr) Replace(*vfs, name, Pwrite);
  }
}

}  // namespace dbos::sidecar
