#include "sidecar/db/postgres/joined_statement.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include "sidecar/db/postgres/postgres_types.h"

namespace dbos::sidecar {
namespace {

constexpr unsigned int kBool = 16;

// The text that the server would show of a column.
std::string Shown(const std::string& column, unsigned int type) {
  if (type == kBool) return absl::StrCat("CASE ", column, " WHEN true THEN 't' WHEN false THEN 'f' END");
  if (CastsToWhatItShows(type)) return absl::StrCat("CAST(", column, " AS text)");
  // A row of nulls IS NULL as well, and is not null.
  return absl::StrCat("CASE WHEN num_nulls(", column, ") = 0 THEN format('%s', ", column, ") END");
}

// EncodeRows, in SQL.
std::string ResultText(const PostgresShape& shape, std::size_t head) {
  std::string rows;
  for (std::size_t n = 0; n < shape.types.size(); ++n) {
    absl::StrAppend(&rows, n == 0 ? "" : ", ", Shown(absl::StrCat("c", n + 1), shape.types[n]));
  }
  if (!rows.empty()) {
    rows = absl::StrCat("COALESCE((SELECT string_agg(CAST(json_build_array(", rows,
                        ") AS text), ', ') FROM dbos_rows), '') || ");
  }
  return absl::StrCat("$", head, " || ", rows, "'], \"affected\": ' || (SELECT count(*) FROM dbos_rows) || '}'");
}

// Fails to be true where the columns are of other types than those that were learned.
std::string SameTypes(const PostgresShape& shape) {
  std::string same;
  for (std::size_t n = 0; n < shape.types.size(); ++n) {
    absl::StrAppend(&same, n == 0 ? "" : " AND ", "CAST(pg_typeof(c", n + 1, ") AS oid) = ", shape.types[n]);
  }
  if (same.empty()) return "";
  return absl::StrCat(" AND (SELECT ", same, " FROM (SELECT 1) AS one LEFT JOIN dbos_rows ON false)");
}

std::string ColumnNames(std::size_t count) {
  std::string names;
  for (std::size_t n = 0; n < count; ++n) absl::StrAppend(&names, n == 0 ? "c" : ", c", n + 1);
  return names;
}

// A query is only run as far as somebody reads it.
bool IsSelect(const std::string& text) {
  return absl::StartsWithIgnoreCase(absl::StripLeadingAsciiWhitespace(text), "SELECT");
}

}  // namespace

bool CanJoin(const NamedSql& sql) {
  return sql.is_query || sql.verb == "INSERT" || sql.verb == "UPDATE" || sql.verb == "DELETE";
}

JoinedStatement Join(const JoinedParts& parts) {
  PostgresCall call("");
  if (parts.record != nullptr) call.AddArguments(*parts.query, *parts.record);
  const auto first = static_cast<std::size_t>(call.count()) + 1;
  for (const SqlValue* value : parts.values) call.Add(*value);
  call.AddText(EncodeRowsHead(parts.shape.columns));
  const auto head = static_cast<std::size_t>(call.count());
  call.AddText(absl::StrCat(parts.bytes_max));

  const std::size_t columns = parts.sql.returns_rows ? parts.shape.types.size() : 1;
  std::string text =
      absl::StrCat("WITH dbos_rows(", ColumnNames(columns), ") AS ", parts.sql.is_query ? "MATERIALIZED " : "", "(\n");
  const std::size_t offset = text.size();
  text += NumberedText(parts.sql, first);
  const std::size_t size = text.size() - offset;
  absl::StrAppend(&text, parts.sql.returns_rows ? "" : "\nRETURNING 1",
                  "\n), dbos_result(result) AS MATERIALIZED (SELECT ", ResultText(parts.shape, head), ")");
  if (!parts.shape.types.empty()) {
    // Never run, but refused where there are more columns than were learned.
    absl::StrAppend(&text, ", dbos_same AS (SELECT ", ColumnNames(columns),
                    " FROM dbos_rows UNION ALL SELECT * FROM dbos_rows)");
  }
  const bool reads_record = parts.record != nullptr && IsSelect(parts.query->sql);
  if (parts.record != nullptr) {
    absl::StrAppend(&text, ", dbos_record AS ", reads_record ? "MATERIALIZED " : "", "(",
                    absl::StrReplaceAll(parts.query->sql, {{"{result}", "(SELECT result FROM dbos_result)"}}), "\n)");
  }
  absl::StrAppend(&text, "\nSELECT result", reads_record ? ", (SELECT count(*) FROM dbos_record)" : "",
                  " FROM dbos_result WHERE 1 / CAST(octet_length(convert_to(result, 'UTF8')) <= CAST($", head + 1,
                  " AS bigint)", SameTypes(parts.shape), " AS integer) = 1");
  call.set_text(std::move(text));
  return {std::move(call).Kept(), first, offset, size};
}

// 0A000, 42...: it cannot be part of another, or a table has changed since its columns were learned. 26000: it is no
// longer prepared. 22012, 54...: the result may be too large.
bool MayComeOfJoining(const std::string& sqlstate) {
  for (const char* begins : {"0A", "42", "26", "22012", "54"}) {
    if (absl::StartsWith(sqlstate, begins)) return true;
  }
  return false;
}

}  // namespace dbos::sidecar
