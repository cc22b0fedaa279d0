#include "sidecar/model/sql_statements.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
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

bool IsWordStart(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool IsWordPart(char c) {
  return IsWordStart(c) || c == '$';
}

struct Token {
  enum class Kind { kEnd, kComment, kWord, kQuoted, kSymbol };
  Kind kind = Kind::kEnd;
  std::string_view text;
  std::size_t at = 0;
};

class Lexer {
 public:
  Lexer(std::string_view sql, SqlSyntax syntax) : sql_(sql), postgres_(syntax == SqlSyntax::kPostgres) {}

  Token Next() {
    at_ = std::min(sql_.find_first_not_of(" \t\r\n\f\v", at_), sql_.size());
    const std::size_t start = at_;
    if (start == sql_.size()) return {Token::Kind::kEnd, {}, start};
    const Token::Kind kind = Skip();
    return {kind, sql_.substr(start, at_ - start), start};
  }

 private:
  bool At(std::string_view text) const { return sql_.substr(at_, text.size()) == text; }

  Token::Kind Skip() {
    if (At("--")) return To(sql_.find('\n', at_), 0, Token::Kind::kComment);
    if (At("/*")) return BlockComment();
    const char c = sql_[at_];
    if (IsWordStart(c)) return Word();
    if (c == '\'' || c == '"' || (c == '`' && !postgres_)) return To(sql_.find(c, at_ + 1), 1, Token::Kind::kQuoted);
    if (c == '[' && !postgres_) return To(sql_.find(']', at_ + 1), 1, Token::Kind::kQuoted);
    if (c == '$' && postgres_) return Dollar();
    ++at_;
    return Token::Kind::kSymbol;
  }

  // Goes behind what was found, or to the end.
  Token::Kind To(std::size_t found, std::size_t length, Token::Kind kind) {
    at_ = found == std::string_view::npos ? sql_.size() : found + length;
    return kind;
  }

  Token::Kind BlockComment() {
    int depth = 0;
    while (at_ < sql_.size()) {
      if (At("/*") && (postgres_ || depth == 0)) {
        ++depth;
        at_ += 2;
      } else if (At("*/")) {
        at_ += 2;
        if (--depth == 0) break;
      } else {
        ++at_;
      }
    }
    return Token::Kind::kComment;
  }

  Token::Kind Word() {
    const std::size_t start = at_;
    while (at_ < sql_.size() && IsWordPart(sql_[at_])) ++at_;
    const bool escapes = postgres_ && at_ - start == 1 && (sql_[start] == 'E' || sql_[start] == 'e') && At("'");
    if (!escapes) return Token::Kind::kWord;
    for (++at_; at_ < sql_.size() && sql_[at_] != '\''; ++at_) {
      if (sql_[at_] == '\\') ++at_;
    }
    return To(at_ < sql_.size() ? at_ : std::string_view::npos, 1, Token::Kind::kQuoted);
  }

  // $tag$ ... $tag$, or the dollar of a parameter.
  Token::Kind Dollar() {
    std::size_t end = at_ + 1;
    while (end < sql_.size() && IsWordStart(sql_[end])) ++end;
    const bool digit = absl::ascii_isdigit(static_cast<unsigned char>(at_ + 1 < sql_.size() ? sql_[at_ + 1] : ' '));
    if (digit || end == sql_.size() || sql_[end] != '$') {
      ++at_;
      return Token::Kind::kSymbol;
    }
    const std::string_view tag = sql_.substr(at_, end + 1 - at_);
    return To(sql_.find(tag, end + 1), tag.size(), Token::Kind::kQuoted);
  }

  const std::string_view sql_;
  const bool postgres_;
  std::size_t at_ = 0;
};

// What is known of the statement that is being read.
class Reading {
 public:
  explicit Reading(SqlSyntax syntax) : syntax_(syntax) {}

  bool empty() const { return empty_; }

  void Take(const Token& token) {
    if (empty_) begins_with_backslash_ = token.text == "\\";
    empty_ = false;
    if (token.text == "(") ++parentheses_;
    if (token.text == ")") --parentheses_;
    if (token.kind != Token::Kind::kWord || parentheses_ > 0) return;
    const std::string word = absl::AsciiStrToUpper(View(token.text));
    if (words_.size() < 6) words_.push_back(word);
    copies_ = copies_ || (words_[0] == "COPY" && (word == "STDIN" || word == "STDOUT"));
    if (!has_body_) has_body_ = BeginsBody();
    if (!has_body_) return;
    if (word == "BEGIN" || (word == "CASE" && depth_ > 0)) ++depth_;
    if (word == "END" && depth_ > 0) --depth_;
  }

  // A semicolon here belongs to it.
  bool inside() const { return parentheses_ > 0 || depth_ > 0; }

  // Why a migration may not have it; empty when it may.
  std::string Fault() const {
    if (begins_with_backslash_) return "a command of psql is not SQL: remove it";
    if (copies_) return "COPY from or to the client needs psql: use INSERT (pg_dump --inserts writes it)";
    if (!EndsTransaction()) return "";
    return absl::StrCat(
        words_[0],
        " begins or ends a transaction, but each migration runs in one of its own: remove it; statements "
        "that no transaction can hold go to a file with the first line \"-- dbos: no-transaction\"");
  }

 private:
  bool Has(std::size_t index, std::string_view word) const { return words_.size() > index && words_[index] == word; }

  bool EndsTransaction() const {
    for (const char* word : {"BEGIN", "COMMIT", "END", "ABORT"}) {
      if (Has(0, word)) return true;
    }
    if (Has(0, "START") || Has(0, "PREPARE")) return Has(1, "TRANSACTION");
    if (!Has(0, "ROLLBACK")) return false;
    return !Has(1, "TO") && !Has(2, "TO");  // to a savepoint, also ROLLBACK TRANSACTION TO
  }

  // CREATE [OR REPLACE] [TEMPORARY] FUNCTION, PROCEDURE or, on SQLite, TRIGGER.
  bool BeginsBody() const {
    if (!Has(0, "CREATE")) return false;
    const std::string& last = words_.back();
    return syntax_ == SqlSyntax::kSqlite ? last == "TRIGGER" : last == "FUNCTION" || last == "PROCEDURE";
  }

  SqlSyntax syntax_;
  std::vector<std::string> words_;  // the first ones, outside of parentheses, in capitals
  bool empty_ = true;
  bool begins_with_backslash_ = false;
  bool copies_ = false;
  bool has_body_ = false;
  int parentheses_ = 0;
  int depth_ = 0;  // of BEGIN and CASE
};

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
  Lexer lexer(sql, syntax);
  Reading reading(syntax);
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
    const Token token = lexer.Next();
    if (token.kind == Token::Kind::kComment) {
      if (IsDownSection(token.text)) {
        return Refuse(line_at(std::max(counted, token.at)),
                      "a section that undoes the migration would run as well: remove it");
      }
      continue;
    }
    const bool ends = token.kind == Token::Kind::kEnd || (token.text == ";" && !reading.inside());
    if (!ends) {
      if (reading.empty()) start = token.at;
      reading.Take(token);
      continue;
    }
    if (!reading.empty()) {
      statements.push_back({sql.substr(start, token.at - start), line_at(start)});
      if (const std::string fault = reading.Fault(); !fault.empty()) return Refuse(statements.back().line, fault);
    }
    if (token.kind == Token::Kind::kEnd) return statements;
    reading = Reading(syntax);
  }
}

}  // namespace dbos::sidecar
