// What CockroachDB has not, as far as its parser does not say so itself.
//
// Threads: plain functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dbos::testing {

// The first thing in `sql` that CockroachDB lacks, with the code that it answers; none if there is none. It looks for
// words, so a literal that contains one counts too.
struct Lack {
  std::string what;
  std::string sqlstate;
};
std::optional<Lack> LackOf(std::string_view sql);

// A statement that makes PostgreSQL answer with that code and name the thing, whether it is only prepared or run.
std::string StatementThatFailsWith(const Lack& lack);

}  // namespace dbos::testing
