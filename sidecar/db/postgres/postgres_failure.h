// What PostgreSQL has against a statement, for the one who wrote it.
//
// Threads: any. Blocking: never.
#pragma once

#include <libpq-fe.h>

#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

// All but the position.
SqlFailure FailureOf(const PGresult* error);

// Where it is, in bytes of the text that `server` was sent; npos where it does not say.
std::size_t OffsetOf(const PGresult* error, const std::string& text, const PGconn* server);

}  // namespace dbos::sidecar
