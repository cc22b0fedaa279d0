// MigrationFile: one numbered .sql file of a user, and the rules that a set of them keeps.
//
// A name is NUMBER_description.sql: any number of digits, compared as a number, once in all directories together; the
// directories are one sequence. Text is UTF-8 without NUL; a byte order mark is dropped; line ends may be LF or CRLF,
// and do not change the checksum. The first line may be `-- dbos: no-transaction`.
//
// Threads: any. Blocking: never. Errors: InvalidArgument; the message names the file, the line and the fix.
// Limits:  kMigrationFilesMax files, kMigrationFileBytesMax each, kMigrationBytesMax together.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dbos::sidecar {

inline constexpr std::size_t kMigrationFilesMax = 10'000;
inline constexpr std::size_t kMigrationFileBytesMax = 4 << 20;
inline constexpr std::size_t kMigrationBytesMax = 64 << 20;
inline constexpr std::size_t kMigrationNameBytesMax = 255;

// As it was read.
struct SqlFile {
  std::string directory;  // as the user named it; only shown
  std::string name;
  std::string content;
};

struct MigrationFile {
  std::string directory = {};
  std::string name = {};
  std::string number = {};    // without leading zeros
  std::string sql = {};       // without a byte order mark
  std::string checksum = {};  // SHA-256 in hexadecimal digits, of the text with LF for every line end
  bool transactional = true;

  std::string path() const { return directory.empty() ? name : directory + "/" + name; }
};

// Sorted by number.
absl::StatusOr<std::vector<MigrationFile>> CheckMigrationFiles(std::vector<SqlFile> files);

// Numbers of any length, without leading zeros.
bool IsLowerNumber(std::string_view left, std::string_view right);

}  // namespace dbos::sidecar
