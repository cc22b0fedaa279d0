// Reads directories of migrations.
//
// Threads: any. Blocking: reads the files.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/model/migration_files.h"

namespace dbos::sidecar {

// The .sql files of all directories, checked and in order. Other files, subdirectories, and names that begin with a dot
// are not looked at. InvalidArgument, with the fix, for what cannot be read and for what CheckMigrationFiles refuses.
absl::StatusOr<std::vector<MigrationFile>> ReadMigrations(const std::vector<std::string>& directories);

}  // namespace dbos::sidecar
