// The PostgreSQL driver's front door: opening connections, and creating the database itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"
#include "sidecar/db/options.h"
#include "sidecar/db/postgres/postgres_url.h"
#include "sidecar/db/sql_session.h"

namespace dbos::sidecar {

// Connects lazily.
std::unique_ptr<Connection> OpenPostgresConnection(const PostgresParameters& parameters, const Dialect& dialect,
                                                   ConnectionRole role, const PasswordSource& password = {});

// Opens sessions, which share what they learn of the database.
std::function<std::unique_ptr<SqlSession>()> OpenPostgresSessions(const PostgresParameters& parameters,
                                                                  const PasswordSource& password,
                                                                  const std::string& schema);

// OK if the database exists now. Needs a role that may connect to the database `postgres` and create databases.
absl::Status CreatePostgresDatabase(const PostgresParameters& parameters, const Dialect& dialect,
                                    const PasswordSource& password);

}  // namespace dbos::sidecar
