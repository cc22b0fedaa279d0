#include "sidecar/server/migration_directory.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

namespace fs = std::filesystem;

absl::Status CannotRead(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError("cannot read " + path + " (" + why + "): check the path and its mode");
}

bool IsMigration(const std::string& name) {
  return name[0] != '.' && absl::EndsWithIgnoreCase(name, ".sql");
}

// At most one byte more than a migration may have.
absl::StatusOr<std::string> ReadText(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return CannotRead(path.string(), error ? error.message() : "not a file");
  std::ifstream file(path, std::ios::binary);
  std::string text(kMigrationFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) return CannotRead(path.string(), "it does not open");
  text.resize(static_cast<std::size_t>(file.gcount()));
  text.shrink_to_fit();
  return text;
}

absl::Status ReadDirectory(const std::string& directory, std::vector<SqlFile>& files) {
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (!IsMigration(name) || fs::is_directory(entries->path())) continue;
    if (files.size() > kMigrationFilesMax) return absl::OkStatus();  // too many, which is said when they are checked
    ASSIGN_OR_RETURN(std::string text, ReadText(entries->path()));
    files.push_back({directory, name, std::move(text)});
  }
  return error ? CannotRead("the directory of migrations " + directory, error.message()) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<MigrationFile>> ReadMigrations(const std::vector<std::string>& directories) {
  std::vector<SqlFile> files;
  for (const std::string& directory : directories) RETURN_IF_ERROR(ReadDirectory(directory, files));
  return CheckMigrationFiles(std::move(files));
}

}  // namespace dbos::sidecar
