// Every query of the store, so that a test can prepare each on every database.
#pragma once

#include <vector>

#include "sidecar/db/query.h"

namespace dbos::sidecar {

std::vector<const Query*> AllQueries();

}  // namespace dbos::sidecar
