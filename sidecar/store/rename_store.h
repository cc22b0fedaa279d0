// Giving the rows of one application to another name, as the SDKs' rename-application does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/query.h"

namespace dbos::sidecar {

struct Renaming {
  std::optional<std::string> from;  // none: only rows that nobody owns
  std::string to;
  bool adopt_unowned = false;       // also rows that nobody owns
  std::int32_t batch_size = 10000;  // workflows, and workflows whose steps, are changed in one transaction
};

struct RenamedRows {
  std::int64_t queues = 0;
  std::int64_t schedules = 0;
  std::int64_t versions = 0;
  std::int64_t workflows = 0;
  std::int64_t steps = 0;
};

// Queues, schedules, versions and active workflows change together; ended workflows and steps, of which there may be
// many, in batches after that. Interrupted, it is finished by running it again. The application should be stopped: its
// claims go on under the old name.
// Blocking: until done. Errors: as Connection says.
absl::StatusOr<RenamedRows> RenameApplication(Connection& connection, const Renaming& renaming);

std::span<const Query* const> RenameQueries();

}  // namespace dbos::sidecar
