#include "sidecar/model/sql_lexer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace dbos::sidecar {
namespace {

using Kind = SqlToken::Kind;

bool IsWordPart(char c) {
  return IsSqlWordStart(c) || c == '$';
}

}  // namespace

bool IsSqlWordStart(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

SqlToken SqlLexer::Next() {
  at_ = std::min(sql_.find_first_not_of(" \t\r\n\f\v", at_), sql_.size());
  const std::size_t start = at_;
  if (start == sql_.size()) return {Kind::kEnd, {}, start};
  const Kind kind = Skip();
  return {kind, sql_.substr(start, at_ - start), start};
}

Kind SqlLexer::Skip() {
  if (At("--")) return To(sql_.find('\n', at_), 0, Kind::kComment);
  if (At("/*")) return BlockComment();
  const char c = sql_[at_];
  if (IsSqlWordStart(c)) return Word();
  if (c == '\'' || c == '"' || (c == '`' && !postgres_)) return To(sql_.find(c, at_ + 1), 1, Kind::kQuoted);
  if (c == '[' && !postgres_) return To(sql_.find(']', at_ + 1), 1, Kind::kQuoted);
  if (c == '$' && postgres_) return Dollar();
  ++at_;
  return Kind::kSymbol;
}

// Goes behind what was found, or to the end.
Kind SqlLexer::To(std::size_t found, std::size_t length, Kind kind) {
  at_ = found == std::string_view::npos ? sql_.size() : found + length;
  return kind;
}

Kind SqlLexer::BlockComment() {
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
  return Kind::kComment;
}

Kind SqlLexer::Word() {
  const std::size_t start = at_;
  while (at_ < sql_.size() && IsWordPart(sql_[at_])) ++at_;
  const bool escapes = postgres_ && at_ - start == 1 && (sql_[start] == 'E' || sql_[start] == 'e') && At("'");
  if (!escapes) return Kind::kWord;
  do {
    at_ = std::min(sql_.find_first_of("\\'", at_ + 1), sql_.size());
    if (At("\\")) {
      ++at_;
    } else if (at_ < sql_.size()) {
      ++at_;
      if (!Continues()) return Kind::kQuoted;
    }
  } while (at_ < sql_.size());
  at_ = sql_.size();
  return Kind::kQuoted;
}

// Behind the quote that seems to end a string: another one doubles it, and one on a later line goes on with the string.
// Goes to that one.
bool SqlLexer::Continues() {
  if (At("'")) return true;
  bool on_later_line = false;
  for (std::size_t at = at_; at < sql_.size(); ++at) {
    const char c = sql_[at];
    if (c == '\'' && on_later_line) {
      at_ = at;
      return true;
    }
    if (c == '-' && sql_.substr(at, 2) == "--") {
      at = std::min(sql_.find('\n', at), sql_.size());
      on_later_line = true;
    } else if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      on_later_line = on_later_line || c == '\n' || c == '\r';
    } else {
      return false;
    }
  }
  return false;
}

// $tag$ ... $tag$, or the dollar of a parameter.
Kind SqlLexer::Dollar() {
  std::size_t end = at_ + 1;
  while (end < sql_.size() && IsSqlWordStart(sql_[end])) ++end;
  const bool digit = absl::ascii_isdigit(static_cast<unsigned char>(at_ + 1 < sql_.size() ? sql_[at_ + 1] : ' '));
  if (digit || end == sql_.size() || sql_[end] != '$') {
    ++at_;
    return Kind::kSymbol;
  }
  const std::string_view tag = sql_.substr(at_, end + 1 - at_);
  return To(sql_.find(tag, end + 1), tag.size(), Kind::kQuoted);
}

void SqlReading::Take(const SqlToken& token) {
  if (empty_) begins_with_backslash_ = token.text == "\\";
  empty_ = false;
  if (token.text == "(") ++parentheses_;
  if (token.text == ")") --parentheses_;
  if (token.kind != Kind::kWord || parentheses_ > 0) return;
  const std::string word = absl::AsciiStrToUpper(absl::string_view(token.text.data(), token.text.size()));
  if (words_.size() < 6) words_.push_back(word);
  copies_ = copies_ || (words_[0] == "COPY" && (word == "STDIN" || word == "STDOUT"));
  if (!has_body_) has_body_ = BeginsBody();
  if (!has_body_) return;
  if (word == "BEGIN" || (word == "CASE" && depth_ > 0)) ++depth_;
  if (word == "END" && depth_ > 0) --depth_;
}

bool SqlReading::EndsTransaction() const {
  for (const char* word : {"BEGIN", "COMMIT", "END", "ABORT"}) {
    if (Has(0, word)) return true;
  }
  if (Has(0, "START") || Has(0, "PREPARE")) return Has(1, "TRANSACTION");
  if (!Has(0, "ROLLBACK")) return false;
  return !Has(1, "TO") && !Has(2, "TO");  // to a savepoint, also ROLLBACK TRANSACTION TO
}

// CREATE [OR REPLACE] [TEMPORARY] FUNCTION, PROCEDURE or, on SQLite, TRIGGER.
bool SqlReading::BeginsBody() const {
  if (!Has(0, "CREATE")) return false;
  const std::string& last = words_.back();
  return syntax_ == SqlSyntax::kSqlite ? last == "TRIGGER" : last == "FUNCTION" || last == "PROCEDURE";
}

}  // namespace dbos::sidecar
