// SqlStatement: one statement of a script. Scripts are cut at the semicolons that end statements, so that an error can
// name its line and each statement can be sent by itself.
//
// It knows quotes, dollar quotes, comments, and bodies between BEGIN and END. Where a text is not as it should be, such
// as a quote without an end, the rest is one statement, and the database says what is wrong.
//
// Threads: any. Blocking: never.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/model/sql_lexer.h"

namespace dbos::sidecar {

struct SqlStatement {
  std::string_view text;  // without the semicolon
  int line = 1;           // of its first word
};

// The statements of a migration. InvalidArgument, with the line and the fix, for what a migration may not do: begin or
// end a transaction, copy from or to the client, contain commands of psql, or a section that undoes it.
// Lifetime: the statements are parts of `sql`.
absl::StatusOr<std::vector<SqlStatement>> MigrationStatements(std::string_view sql, SqlSyntax syntax);

}  // namespace dbos::sidecar
