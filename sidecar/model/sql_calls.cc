#include "sidecar/model/sql_calls.h"

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
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

absl::string_view View(const SqlToken& token) {
  return {token.text.data(), token.text.size()};
}

template <typename Words>
bool IsOneOf(const Words& words, const SqlToken& token) {
  return absl::c_any_of(words, [&](absl::string_view word) { return absl::EqualsIgnoreCase(word, View(token)); });
}

bool IsName(const SqlToken& token) {
  return token.kind == Kind::kWord || token.kind == Kind::kQuoted;
}

}  // namespace

void SqlCalls::Take(const SqlToken& token) {
  if (token.text == "(" && IsName(before_)) {
    const bool may_be_known = before_.kind == Kind::kWord && !qualified_;
    const bool known = may_be_known && (IsOneOf(kWords, before_) || IsOneOf(kFunctions, before_));
    any_ = any_ || !(known || in_target_);
    in_target_ = false;
  }
  if (token.kind == Kind::kWord) {
    if (absl::EqualsIgnoreCase(View(token), "INTO")) in_target_ = true;
    if (in_target_ && IsOneOf(kBehindTarget, token)) in_target_ = false;
  }
  qualified_ = IsName(token) && before_.text == ".";
  before_ = token;
}

}  // namespace dbos::sidecar
