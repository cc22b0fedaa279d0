// Where in a script an error is: carried by the status that Connection::RunScript returns.
//
// Threads: any. Blocking: never.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/status/status.h"

namespace dbos::sidecar {

// In bytes from the beginning of the text; none where the database did not say.
std::optional<std::size_t> ErrorOffset(const absl::Status& status);
void SetErrorOffset(std::size_t offset, absl::Status& status);

}  // namespace dbos::sidecar
