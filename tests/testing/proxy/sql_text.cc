#include "tests/testing/proxy/sql_text.h"

#include <cctype>
#include <string>

namespace dbos::testing {
namespace {

bool IsWordCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

size_t EndAt(std::string_view sql, size_t from, std::string_view terminator) {
  const size_t end = sql.find(terminator, from);
  return end == std::string_view::npos ? sql.size() : end + terminator.size();
}

// The end of a $tag$ ... $tag$ literal that starts at `at`; `at` + 1 when no literal starts there ("$1").
size_t SkipDollarQuote(std::string_view sql, size_t at) {
  size_t tag_end = at + 1;
  while (tag_end < sql.size() && IsWordCharacter(sql[tag_end])) ++tag_end;
  const bool is_parameter = tag_end > at + 1 && std::isdigit(static_cast<unsigned char>(sql[at + 1])) != 0;
  if (is_parameter || tag_end >= sql.size() || sql[tag_end] != '$') return at + 1;
  return EndAt(sql, tag_end + 1, sql.substr(at, tag_end + 1 - at));
}

// The position after a literal or a comment that starts at `at`, or `at` itself when none does.
size_t SkipOpaque(std::string_view sql, size_t at) {
  const std::string_view rest = sql.substr(at);
  if (rest.front() == '\'' || rest.front() == '"') return EndAt(sql, at + 1, rest.substr(0, 1));
  if (rest.substr(0, 2) == "--") return EndAt(sql, at, "\n");
  if (rest.substr(0, 2) == "/*") return EndAt(sql, at, "*/");
  if (rest.front() == '$') return SkipDollarQuote(sql, at);
  return at;
}

Verb VerbOf(const std::string& first, const std::string& second) {
  if (first == "BEGIN" || (first == "START" && second == "TRANSACTION")) return Verb::kBegin;
  // COMMIT PREPARED ends another transaction, and ROLLBACK TO stays inside this one.
  if ((first == "COMMIT" || first == "END") && second != "PREPARED") return Verb::kCommit;
  if ((first == "ROLLBACK" || first == "ABORT") && second != "PREPARED" && second != "TO") return Verb::kRollback;
  return Verb::kOther;
}

}  // namespace

std::vector<Verb> Verbs(std::string_view sql) {
  std::vector<Verb> verbs;
  std::vector<std::string> words;
  const auto finish = [&] {
    if (!words.empty()) verbs.push_back(VerbOf(words[0], words.size() > 1 ? words[1] : ""));
    words.clear();
  };
  for (size_t at = 0; at < sql.size();) {
    if (const size_t after = SkipOpaque(sql, at); after != at) {
      at = after;
    } else if (sql[at] == ';') {
      finish();
      ++at;
    } else if (IsWordCharacter(sql[at])) {
      std::string word;
      for (; at < sql.size() && IsWordCharacter(sql[at]); ++at) {
        word.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(sql[at]))));
      }
      if (words.size() < 2) words.push_back(std::move(word));
    } else {
      ++at;
    }
  }
  finish();
  return verbs;
}

}  // namespace dbos::testing
