// RETURN_IF_ERROR and ASSIGN_OR_RETURN for absl::Status (Debian's Abseil ships none), and std::string_view messages.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RETURN_IF_ERROR(expression)                                         \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define DBOS_CONCAT_INNER(a, b) a##b
#define DBOS_CONCAT(a, b) DBOS_CONCAT_INNER(a, b)
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_INNER(DBOS_CONCAT(status_or_, __LINE__), declaration, expression)
#define ASSIGN_OR_RETURN_INNER(variable, declaration, expression) \
  auto variable = (expression);                                   \
  if (!variable.ok()) return std::move(variable).status();        \
  declaration = *std::move(variable)

namespace dbos::sidecar {

inline std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

}  // namespace dbos::sidecar
