#include "sidecar/db/sqlite/sqlite_database.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace dbos::sidecar {
namespace {

struct FileSystem {
  std::uint32_t magic;
  const char* name;
};

// As in linux/magic.h, statfs(2) and the sources of those that are in neither. Not 9p and FUSE: sandboxes (gVisor,
// Kata) and local disks have them too, and work.
constexpr FileSystem kNetworkFileSystems[] = {
    {0x6969, "NFS"},      {0x517B, "SMB"},       {0xFF534D42, "CIFS"},   {0xFE534D42, "SMB 2"},  {0x00C36400, "Ceph"},
    {0x5346414F, "AFS"},  {0x6B414653, "AFS"},   {0x73757245, "Coda"},   {0x564C, "NCP"},        {0x0BD00BD0, "Lustre"},
    {0x47504653, "GPFS"}, {0x01161970, "GFS 2"}, {0x7461636F, "OCFS 2"}, {0x19830326, "BeeGFS"}, {0xAAD7AAEA, "PanFS"}};

absl::Status Unusable(const std::string& path, const std::string& why) {
  return absl::FailedPreconditionError(absl::StrCat("the SQLite database ", path, " cannot be used: ", why));
}

// Why this user may not do that with the path, empty if he may.
std::string AccessFault(const std::string& path, int mode) {
  if (faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0) return "";
  return absl::StrCat(path, ": ", std::generic_category().message(errno));
}

}  // namespace

const char* NetworkFileSystem(std::uint32_t magic) {
  for (const FileSystem& known : kNetworkFileSystems) {
    if (known.magic == magic) return known.name;
  }
  return nullptr;
}

absl::Status CheckSqliteFile(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string directory = file.has_parent_path() ? file.parent_path().string() : ".";
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return Unusable(path, absl::StrCat("there is no directory ", directory, ": make it, or name a path in another"));
  }
  const std::filesystem::file_status status = std::filesystem::status(file, error);
  if (std::filesystem::is_directory(status)) return Unusable(path, "it is a directory: name a file in it");
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return Unusable(path, "it is not an ordinary file: name one, or a path where there is none yet");
  }
  struct statfs disk = {};
  if (statfs(directory.c_str(), &disk) == 0) {
    if (const char* name = NetworkFileSystem(static_cast<std::uint32_t>(disk.f_type)); name != nullptr) {
      return Unusable(path, absl::StrCat(directory, " is on a network file system (", name,
                                         "), where SQLite's locks and its write-ahead log do not work: put the file "
                                         "on a local disk, or use PostgreSQL"));
    }
  }
  std::string fault = AccessFault(directory, W_OK | X_OK);
  if (!fault.empty()) {
    return Unusable(path, absl::StrCat(fault,
                                       ": this user must be able to write its directory, for SQLite's log "
                                       "and the sidecar's lock"));
  }
  fault = std::filesystem::exists(status) ? AccessFault(path, R_OK | W_OK) : "";
  if (!fault.empty())
    return Unusable(path, absl::StrCat(fault, ": make the file and its directory writable for this user"));
  return absl::OkStatus();
}

}  // namespace dbos::sidecar
