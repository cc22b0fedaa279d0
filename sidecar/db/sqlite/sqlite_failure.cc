#include "sidecar/db/sqlite/sqlite_failure.h"

#include <string_view>
#include <vector>

#include <sqlite3.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "sidecar/db/session_answers.h"
#include "sidecar/db/sqlite/sqlite_errors.h"

namespace dbos::sidecar {
namespace {

struct State {
  int code;  // an extended code, or a primary one for all of its kind
  const char* sqlstate;
};

constexpr State kStates[] = {
    {SQLITE_CONSTRAINT_UNIQUE, "23505"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, "23505"},
    {SQLITE_CONSTRAINT_ROWID, "23505"},
    {SQLITE_CONSTRAINT_NOTNULL, "23502"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, "23503"},
    {SQLITE_CONSTRAINT_CHECK, "23514"},
    {SQLITE_CONSTRAINT_TRIGGER, "P0001"},   // RAISE
    {SQLITE_CONSTRAINT_DATATYPE, "42804"},  // of a STRICT table
    {SQLITE_CONSTRAINT, "23000"},
    {SQLITE_MISMATCH, "42804"},
    {SQLITE_TOOBIG, "54000"},
    {SQLITE_BUSY_SNAPSHOT, "40001"},
    {SQLITE_BUSY, "55P03"},
    {SQLITE_LOCKED, "55P03"},
    {SQLITE_SCHEMA, "40001"},
    {SQLITE_FULL, "53100"},
    {SQLITE_READONLY, "25006"},
    {SQLITE_AUTH, "42501"},
    {SQLITE_RANGE, "42601"},
};

// SQLite has one code for all that a text may have wrong.
constexpr struct {
  const char* text;
  const char* sqlstate;
} kTexts[] = {
    {"syntax error", "42601"},           {"incomplete input", "42601"},     {"unrecognized token", "42601"},
    {"no such table", "42P01"},          {"no such column", "42703"},       {"has no column named", "42703"},
    {"no such function", "42883"},       {"no such collation", "42704"},    {"no such index", "42704"},
    {"ambiguous column name", "42702"},  {"already exists", "42P07"},       {"duplicate column name", "42701"},
    {"too many SQL variables", "54000"}, {"too many columns", "54011"},     {"too many terms", "54001"},
    {"integer overflow", "22003"},       {"malformed JSON", "22P02"},       {"JSON path", "22023"},
    {"within a transaction", "25001"},   {"within a transaction", "25001"}, {"from within", "25001"},
    {"misuse of aggregate", "42803"},    {"not authorized", "42501"},       {"values for", "42601"},
    {"values were supplied", "42601"},   {"not allowed", "42601"},
};

// "t.c, t.d" into the table and "c, d".
void TakeColumns(const std::string& list, SqlFailure& failure) {
  std::vector<std::string> columns;
  const std::vector<std::string> names = absl::StrSplit(list, ", ");
  for (const std::string& name : names) {
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos) return;
    failure.table = name.substr(0, dot);
    columns.push_back(name.substr(dot + 1));
  }
  failure.column = absl::StrJoin(columns, ", ");
}

}  // namespace

std::string SqlStateOf(int extended_code, const std::string& message) {
  for (const State& state : kStates) {
    if (state.code == extended_code || state.code == (extended_code & 0xFF)) return state.sqlstate;
  }
  if ((extended_code & 0xFF) != SQLITE_ERROR) return "";
  for (const auto& [text, sqlstate] : kTexts) {
    if (absl::StrContains(message, text)) return sqlstate;
  }
  return "22000";
}

SqlFailure SqliteFailure(int extended_code, const std::string& message) {
  SqlFailure failure;
  failure.sqlstate = SqlStateOf(extended_code, message);
  failure.message = FailureText(message);
  const std::size_t colon = message.find(" constraint failed: ");
  if (colon != std::string::npos) {
    const std::string rest = message.substr(colon + std::string_view(" constraint failed: ").size());
    if (failure.sqlstate == "23514") failure.constraint = rest;
    if (failure.sqlstate == "23505" && absl::StartsWith(rest, "index '")) {
      failure.constraint = rest.substr(7, rest.size() - 8);
    } else if (failure.sqlstate == "23505" || failure.sqlstate == "23502") {
      TakeColumns(rest, failure);
    }
  }
  if (failure.sqlstate == "55P03" || failure.sqlstate == "53100") {
    failure.message = std::string(SqliteError(extended_code, message).message());
  }
  return failure;
}

}  // namespace dbos::sidecar
