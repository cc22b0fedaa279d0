// The PostgreSQL driver's front door: opening connections, and creating the database itself.
#pragma once

#include <memory>

#include "absl/status/status.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"
#include "sidecar/db/options.h"
#include "sidecar/db/postgres/postgres_url.h"

namespace dbos::sidecar {

// Connects lazily.
std::unique_ptr<Connection> OpenPostgresConnection(const PostgresParameters& parameters, const Dialect& dialect,
                                                   ConnectionRole role, const PasswordSource& password = {});

// OK if the database exists now. Needs a role that may connect to the database `postgres` and create databases.
absl::Status CreatePostgresDatabase(const PostgresParameters& parameters, const Dialect& dialect,
                                    const PasswordSource& password);

}  // namespace dbos::sidecar
