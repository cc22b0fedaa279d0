// Reads just enough SQL to know which statements begin and end a transaction.
//
// Threads: plain functions. Quotes, dollar quotes and comments are understood, so a COMMIT inside a literal is no
// COMMIT.
#pragma once

#include <string_view>
#include <vector>

namespace dbos::testing {

enum class Verb { kOther, kBegin, kCommit, kRollback };

// The verb of each statement in `sql`, in order. Empty statements are left out.
std::vector<Verb> Verbs(std::string_view sql);

}  // namespace dbos::testing
