// Other DBOS system databases in schemas of the same PostgreSQL database.
#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"

namespace dbos::sidecar {

// The first schema, besides `dialect`'s own, in which `application` has registered a version: it has run there. Empty:
// none that this role may read. Blocking: one round trip, and one for each such schema.
absl::StatusOr<std::string> OtherSchemaOf(const std::string& application, const Dialect& dialect,
                                          Connection& connection);

}  // namespace dbos::sidecar
