#include "sidecar/model/sql_statements.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

// Why a migration may not have this statement; empty when it may.
std::string FaultOf(const SqlReading& reading) {
  if (reading.begins_with_backslash()) return "a command of psql is not SQL: remove it";
  if (reading.copies()) return "COPY from or to the client needs psql: use INSERT (pg_dump --inserts writes it)";
  if (!reading.EndsTransaction()) return "";
  return absl::StrCat(reading.words()[0],
                      " begins or ends a transaction, but each migration runs in one of its own: remove it; statements "
                      "that no transaction can hold go to a file with the first line \"-- dbos: no-transaction\"");
}

// Files that were written for other tools hold both directions; run whole, they would undo themselves.
bool IsDownSection(std::string_view comment) {
  absl::string_view text = View(comment);
  if (!absl::ConsumePrefix(&text, "--")) return false;
  text = absl::StripAsciiWhitespace(text);
  for (const char* mark : {"migrate:down", "+goose down", "+migrate down"}) {
    if (absl::StartsWithIgnoreCase(text, mark)) return true;
  }
  return false;
}

absl::Status Refuse(int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

}  // namespace

absl::StatusOr<std::vector<SqlStatement>> MigrationStatements(std::string_view sql, SqlSyntax syntax) {
  std::vector<SqlStatement> statements;
  SqlLexer lexer(sql, syntax);
  SqlReading reading(syntax);
  std::size_t start = 0;
  std::size_t counted = 0;
  int line = 1;
  const auto line_at = [&](std::size_t at) {
    line += static_cast<int>(std::count(sql.begin() + static_cast<std::ptrdiff_t>(counted),
                                        sql.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    counted = at;
    return line;
  };
  while (true) {
    const SqlToken token = lexer.Next();
    if (token.kind == SqlToken::Kind::kComment) {
      if (IsDownSection(token.text)) {
        return Refuse(line_at(std::max(counted, token.at)),
                      "a section that undoes the migration would run as well: remove it");
      }
      continue;
    }
    const bool ends = token.kind == SqlToken::Kind::kEnd || (token.text == ";" && !reading.inside());
    if (!ends) {
      if (reading.empty()) start = token.at;
      reading.Take(token);
      continue;
    }
    if (!reading.empty()) {
      statements.push_back({sql.substr(start, token.at - start), line_at(start)});
      if (const std::string fault = FaultOf(reading); !fault.empty()) return Refuse(statements.back().line, fault);
    }
    if (token.kind == SqlToken::Kind::kEnd) return statements;
    reading = SqlReading(syntax);
  }
}

}  // namespace dbos::sidecar
