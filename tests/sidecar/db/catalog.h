// What a database's own catalog says about a system database, as sorted lines that can be compared.
#pragma once

#include <string>
#include <vector>

#include "tests/testing/test_database.h"

namespace dbos::sidecar {

// Tables with columns, types, defaults and nullability; indexes and constraints with their definitions; the interfaces
// of functions; triggers; anything else. Of schema "dbos".
std::vector<std::string> PostgresCatalog(TestDatabase& database);

// Tables with columns, indexes with their columns and conditions, foreign keys, anything else.
std::vector<std::string> SqliteCatalog(TestDatabase& database);

// The one or the other.
std::vector<std::string> Catalog(TestDatabase& database);

}  // namespace dbos::sidecar
