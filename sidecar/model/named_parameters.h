// NamedSql: one statement of a user's with :name parameters, taken apart.
//
// A parameter is a colon before a letter or underscore that follows neither a colon nor a word (so casts with :: and
// slices such as a[1:n] stay), outside of quotes, dollar quotes and comments. `\:` is a colon. Names are made of
// letters, digits and underscores.
//
// Threads: any. Blocking: never.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/model/sql_statements.h"
#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

inline constexpr std::size_t kSqlBytesMax = 1 << 20;
inline constexpr std::size_t kSqlParametersMax = 60'000;  // ours are to fit in as well: PostgreSQL has 65,535

struct NamedSql {
  std::string given;                     // the text as it was
  std::vector<std::string> pieces;       // the text around the parameters, one more than there are occurrences
  std::vector<std::size_t> occurrences;  // indexes into `names`, in the order of the text
  std::vector<std::string> names;        // each once, by first appearance
  std::string verb;                      // the first word in capitals: SELECT, WITH ...
  bool returns_rows = false;             // a query, or a RETURNING outside of parentheses
  bool is_query = false;                 // SELECT, VALUES, TABLE, or a WITH that writes nothing: a cursor can hold it
  bool marks_session = false;            // it may leave something behind: a temporary table, a lock, a setting
  bool calls_functions = false;          // that are not known to be harmless, see SqlCalls
  std::vector<std::size_t> starts;       // of each piece, in bytes of the given text
  std::vector<std::size_t> backslashes;  // that were left out, in bytes of the given text
};

// InvalidArgument with the fix: transaction control, what would change the session for those who use it next (SET
// without LOCAL, PREPARE, LISTEN ...), other kinds of parameters, more than one statement, an empty one, too long. A
// semicolon at the end, and comments behind it, are cut off.
absl::StatusOr<NamedSql> ParseNamedSql(std::string_view sql, SqlSyntax syntax);

// The text with `$first`, `$first + 1` ... for the names, or with kQuestionMarks one ? for each of `sql.occurrences`.
inline constexpr std::size_t kQuestionMarks = 0;
std::string NumberedText(const NamedSql& sql, std::size_t first);

// Where byte `offset` of NumberedText(sql, first) is, in characters from 1 of the given text.
std::uint32_t PositionIn(const NamedSql& sql, std::size_t first, std::size_t offset);

// One value for each of `sql.names`, in that order. InvalidArgument names a parameter that is missing, given twice, or
// not in the text; or whose value cannot be one (NUL in a text, text that is no number, date, UUID or JSON).
// Lifetime: the values stay in `command`.
absl::StatusOr<std::vector<const SqlValue*>> MatchParameters(const NamedSql& sql, const SqlCommand& command);

}  // namespace dbos::sidecar
