// A disk that is full or read-only for SQLite, while a file of that name is in the working directory.
#pragma once

namespace dbos::sidecar {

inline constexpr char kDiskFull[] = "disk-is-full";
inline constexpr char kDiskReadOnly[] = "disk-is-read-only";

// Before the first database is opened.
void InstallFaultyDisk();

}  // namespace dbos::sidecar
