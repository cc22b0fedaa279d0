// A system database as an SDK at the oldest shared version left it.
#pragma once

#include "tests/testing/test_database.h"

namespace dbos::sidecar {

// Undoes the shared migrations on a database at our version, and puts in one workflow with one step.
void BackTo99(TestDatabase& database);

}  // namespace dbos::sidecar
