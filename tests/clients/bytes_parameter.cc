// Compiled by tests only, with a type for PARAMETER: see CMakeLists.txt.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <dbos/dbos.h>

dbos::SqlParams Params(const PARAMETER& value) {
  return {{"x", value}};
}
