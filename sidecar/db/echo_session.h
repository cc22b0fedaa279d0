// A session that logs what it sends: SQLAlchemy's `echo`, for users' transactions.
//
// One line at info for each statement, as the user wrote it, and for COMMIT and ROLLBACK. Parameters are shown only
// when asked for, since they are the user's data; long ones are cut.
#pragma once

#include <memory>

#include "sidecar/db/options.h"
#include "sidecar/db/sql_session.h"

namespace dbos::sidecar {

std::unique_ptr<SqlSession> WithEcho(std::unique_ptr<SqlSession> session, Echo echo);

}  // namespace dbos::sidecar
