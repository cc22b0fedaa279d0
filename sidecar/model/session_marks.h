// SessionMarks: whether a statement may leave something behind in its session: a temporary table, a lock, a setting.
// What functions of the user's do is not seen; a DO block may do anything.
//
// set_config('name', 'value', true) ends with its transaction, and is how a tenant is set: it leaves nothing behind.
// Every other form of it may, and so may one that is not understood.
//
// Threads: one at a time. Blocking: never. Lifetime: the text of the tokens outlives it.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "sidecar/model/sql_lexer.h"

namespace dbos::sidecar {

class SessionMarks {
 public:
  // Every token of the statement but its comments, in order.
  void Take(const SqlToken& token);

  // At the end of the statement.
  bool any() const { return any_ || depth_ > 0; }

 private:
  void TakeInCall(absl::string_view text);

  bool any_ = false;
  bool is_first_ = true;
  absl::string_view before_;  // the word or quoted name before
  // Of the call of set_config that is open.
  int depth_ = 0;      // of parentheses; 0: none is open
  int arguments_ = 0;  // before the one that is read
  std::string third_;
};

}  // namespace dbos::sidecar
