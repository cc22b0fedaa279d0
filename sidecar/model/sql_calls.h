// SqlCalls: whether a statement calls functions that may be anybody's. What such a function does to its transaction, a
// setting say, the text does not show.
//
// A call is a name before a parenthesis, unless the name is that of INSERT's table, a word of SQL, or one of the
// functions of PostgreSQL and SQLite that are known to do nothing but compute. Casts, operators, defaults and triggers
// of the user's are not seen.
//
// Threads: one at a time. Blocking: never.
#pragma once

#include "sidecar/model/sql_lexer.h"

namespace dbos::sidecar {

class SqlCalls {
 public:
  // Every token of the statement but its comments, in order.
  void Take(const SqlToken& token);

  bool any() const { return any_; }

 private:
  SqlToken before_;
  bool qualified_ = false;  // the name before has a schema
  bool in_target_ = false;  // of INSERT INTO, up to its columns
  bool any_ = false;
};

}  // namespace dbos::sidecar
