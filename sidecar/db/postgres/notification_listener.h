// NotificationListener over libpq: LISTEN on a session of its own.
//
// Threads, blocking, lifetime: as NotificationListener says.
#pragma once

#include <memory>

#include "sidecar/db/notifications.h"
#include "sidecar/db/options.h"
#include "sidecar/db/postgres/postgres_url.h"

namespace dbos::sidecar {

std::unique_ptr<NotificationListener> ListenOnPostgres(const PostgresParameters& parameters,
                                                       const PasswordSource& password, ListenOptions options);

}  // namespace dbos::sidecar
