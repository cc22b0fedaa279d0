// A connection that logs what it sends: SQLAlchemy's `echo`.
//
// One line at info for each statement, with its whole text and the time; the statements of a batch travel together and
// show the time of the batch. Parameters are shown only when asked for, since they are the user's data; long ones are
// cut.
#pragma once

#include <memory>

#include "sidecar/db/connection.h"
#include "sidecar/db/dialect.h"
#include "sidecar/db/options.h"

namespace dbos::sidecar {

std::unique_ptr<Connection> WithEcho(std::unique_ptr<Connection> connection, const Dialect& dialect, Echo echo);

}  // namespace dbos::sidecar
