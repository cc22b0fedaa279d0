#include "sidecar/model/sql_calls.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace dbos::sidecar {
namespace {

using Kind = SqlToken::Kind;

constexpr absl::string_view kWords[] = {
    "ALL",       "AND",       "ANY",      "ARRAY",   "AS",       "BETWEEN",   "BY",       "CASE",      "CAST",
    "CHAR",      "CHARACTER", "CONFLICT", "DECIMAL", "DISTINCT", "ELSE",      "EXCEPT",   "EXISTS",    "FILTER",
    "FROM",      "GROUP",     "HAVING",   "ILIKE",   "IN",       "INTERSECT", "INTERVAL", "IS",        "JOIN",
    "LATERAL",   "LIKE",      "LIMIT",    "NOT",     "NUMERIC",  "OFFSET",    "ON",       "OR",        "OVER",
    "RETURNING", "ROW",       "SELECT",   "SET",     "SOME",     "THEN",      "TIME",     "TIMESTAMP", "TIMESTAMPTZ",
    "UNION",     "USING",     "VALUES",   "VARCHAR", "VARYING",  "WHEN",      "WHERE",
};

constexpr absl::string_view kFunctions[] = {
    "ABS",
    "AVG",
    "CEIL",
    "CEILING",
    "CLOCK_TIMESTAMP",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "COUNT",
    "DATE",
    "DATE_PART",
    "DATE_TRUNC",
    "DATETIME",
    "EXTRACT",
    "FLOOR",
    "FORMAT",
    "GEN_RANDOM_UUID",
    "GREATEST",
    "HEX",
    "IFNULL",
    "JSON",
    "JSON_ARRAY",
    "JSON_BUILD_ARRAY",
    "JSON_BUILD_OBJECT",
    "JSON_EXTRACT",
    "JSON_OBJECT",
    "JSON_SET",
    "JSONB_BUILD_ARRAY",
    "JSONB_BUILD_OBJECT",
    "JSONB_SET",
    "JULIANDAY",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LOWER",
    "LTRIM",
    "MAKE_INTERVAL",
    "MAX",
    "MD5",
    "MIN",
    "NEXTVAL",
    "NOW",
    "NULLIF",
    "OCTET_LENGTH",
    "POWER",
    "RANDOM",
    "REPLACE",
    "RIGHT",
    "ROUND",
    "RTRIM",
    "STATEMENT_TIMESTAMP",
    "STRFTIME",
    "SUBSTR",
    "SUBSTRING",
    "SUM",
    "TO_CHAR",
    "TO_DATE",
    "TO_JSON",
    "TO_JSONB",
    "TO_TIMESTAMP",
    "TRIM",
    "TRUNC",
    "UNIXEPOCH",
    "UNNEST",
    "UPPER",
};

// What follows the table of an INSERT, besides its columns.
constexpr absl::string_view kBehindTarget[] = {"DEFAULT", "OVERRIDING", "SELECT", "VALUES", "WITH", "TABLE"};

std::string Upper(const SqlToken& token) {
  return absl::AsciiStrToUpper(absl::string_view(token.text.data(), token.text.size()));
}

bool IsName(const SqlToken& token) {
  return token.kind == Kind::kWord || token.kind == Kind::kQuoted;
}

}  // namespace

void SqlCalls::Take(const SqlToken& token) {
  if (token.text == "(" && IsName(before_)) {
    const std::string name = before_.kind == Kind::kWord ? Upper(before_) : "";
    const bool known = !qualified_ && (absl::c_linear_search(kWords, name) || absl::c_linear_search(kFunctions, name));
    any_ = any_ || !(known || in_target_);
    in_target_ = false;
  }
  if (token.kind == Kind::kWord) {
    const std::string word = Upper(token);
    if (word == "INTO") {
      in_target_ = true;
    } else if (absl::c_linear_search(kBehindTarget, word)) {
      in_target_ = false;
    }
  }
  qualified_ = IsName(token) && before_.text == ".";
  before_ = token;
}

}  // namespace dbos::sidecar
