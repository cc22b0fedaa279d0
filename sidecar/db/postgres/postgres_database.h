// The PostgreSQL driver's front door: connection parameters, opening, and creating the database itself.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"

namespace dbos::sidecar {

// Keywords and values as libpq takes them, with our defaults for those that the URL leaves out.
struct PostgresParameters {
  std::vector<std::pair<std::string, std::string>> values;

  std::string Get(const std::string& keyword) const;
  void Set(const std::string& keyword, const std::string& value);
};

absl::StatusOr<PostgresParameters> ParsePostgresUrl(const std::string& url, absl::Duration connect_timeout);

// Connects lazily.
std::unique_ptr<Connection> OpenPostgresConnection(const PostgresParameters& parameters, const Dialect& dialect,
                                                   ConnectionRole role);

// OK if the database exists now. Needs a role that may connect to the database `postgres` and create databases.
absl::Status CreatePostgresDatabase(const PostgresParameters& parameters, const Dialect& dialect);

}  // namespace dbos::sidecar
