// Whether a parameter's text is what its type says, so that every database refuses the same values, and by name.
//
// Threads: any. Blocking: never.
#pragma once

#include <string>

#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

inline constexpr int kSqlArrayDepthMax = 6;  // PostgreSQL's

// Empty for a value as it should be, else what is wrong with it, to follow the parameter's name.
std::string SqlValueFault(const SqlValue& value);

}  // namespace dbos::sidecar
