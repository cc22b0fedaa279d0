#include "sidecar/model/named_parameters.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"
#include "sidecar/base/utf8.h"
#include "sidecar/model/session_marks.h"
#include "sidecar/model/sql_calls.h"
#include "sidecar/model/sql_lexer.h"
#include "sidecar/model/sql_value_check.h"

namespace dbos::sidecar {
namespace {

using Kind = SqlToken::Kind;

struct Refusal {
  const char* first;
  const char* why;
};

constexpr char kControl[] =
    "the sidecar begins and ends the transaction: remove it; a savepoint is a call of its own, and so are isolation "
    "and read_only";
constexpr char kSession[] = "would change the session for the transactions that use it next: ";

constexpr Refusal kRefusals[] = {
    {"SAVEPOINT", kControl},
    {"RELEASE", kControl},
    {"ROLLBACK", kControl},
    {"DISCARD", "remove it"},
    {"RESET", "use SET LOCAL, which ends with the transaction, and remove it"},
    {"PREPARE", "send the statement itself; it is prepared by itself"},
    {"EXECUTE", "send the statement itself; it is prepared by itself"},
    {"DEALLOCATE", "remove it"},
    {"LISTEN", "notifications reach nobody here: remove it"},
    {"UNLISTEN", "remove it"},
};

constexpr Refusal kSqliteRefusals[] = {
    {"ATTACH", "use one database; a migration or another program can attach"},
    {"DETACH", "use one database"},
    {"PRAGMA", "the sidecar sets what is needed"},
};

std::string FaultOfSet(const std::vector<std::string>& words) {
  const std::string second = words.size() > 1 ? words[1] : "";
  const std::string third = words.size() > 2 ? words[2] : "";
  const bool control = second == "TRANSACTION" || absl::StartsWith(third, "TRANSACTION") || third == "CHARACTERISTICS";
  if (control) return absl::StrCat("SET: ", kControl);
  if (second != "LOCAL" && second != "CONSTRAINTS") return absl::StrCat("SET ", kSession, "use SET LOCAL");
  return "";
}

// Why a user's transaction may not have this statement; empty when it may.
std::string FaultOf(const SqlReading& reading, SqlSyntax syntax) {
  if (reading.begins_with_backslash()) return "a command of psql is not SQL: remove it";
  if (reading.words().empty()) return "";
  const std::string& first = reading.words()[0];
  if (reading.EndsTransaction()) return absl::StrCat(first, ": ", kControl);
  if (reading.copies()) return "COPY from or to the client is not supported: use INSERT, or a cursor to read";
  if (first == "SET") return FaultOfSet(reading.words());
  for (const Refusal& refusal : kRefusals) {
    if (first != refusal.first) continue;
    return absl::StrCat(first, refusal.why == kControl ? ": " : absl::StrCat(" ", kSession), refusal.why);
  }
  if (syntax != SqlSyntax::kSqlite) return "";
  for (const Refusal& refusal : kSqliteRefusals) {
    if (first == refusal.first) return absl::StrCat(first, " is not for a transaction: ", refusal.why);
  }
  return "";
}

// Takes one statement apart, token by token.
class Parser {
 public:
  Parser(std::string_view sql, SqlSyntax syntax) : sql_(sql), syntax_(syntax), lexer_(sql, syntax), reading_(syntax) {}

  absl::StatusOr<NamedSql> Parse() {
    while (true) {
      const SqlToken token = lexer_.Next();
      if (token.kind == Kind::kComment) continue;
      if (token.kind == Kind::kEnd || (token.text == ";" && !reading_.inside())) {
        if (token.kind != Kind::kEnd) RETURN_IF_ERROR(CheckNothingFollows());
        return End(token.at);
      }
      reading_.Take(token);
      calls_.Take(token);
      marks_.Take(token);
      if (token.kind == Kind::kWord) TakeWord(token);
      if (token.kind == Kind::kSymbol) RETURN_IF_ERROR(TakeSymbol(token));
    }
  }

 private:
  char At(std::size_t at) const { return at < sql_.size() ? sql_[at] : '\0'; }
  bool IsDigit(std::size_t at) const { return absl::ascii_isdigit(static_cast<unsigned char>(At(at))); }

  absl::Status CheckNothingFollows() {
    while (true) {
      const SqlToken token = lexer_.Next();
      if (token.kind == Kind::kEnd) return absl::OkStatus();
      if (token.kind == Kind::kComment || token.text == ";") continue;
      return absl::InvalidArgumentError("the text holds more than one statement: send them one by one");
    }
  }

  void TakeWord(const SqlToken& token) {
    const std::string word = absl::AsciiStrToUpper(absl::string_view(token.text.data(), token.text.size()));
    if (named_.verb.empty()) named_.verb = word;
    if (word == "RETURNING" && !reading_.in_parentheses()) named_.returns_rows = true;
    const bool locks = word == "UPDATE" && (word_before_ == "FOR" || word_before_ == "KEY");
    if (word == "INSERT" || word == "DELETE" || word == "MERGE" || (word == "UPDATE" && !locks)) writes_ = true;
    word_before_ = word;
  }

  absl::Status TakeSymbol(const SqlToken& token) {
    const std::size_t at = token.at;
    if (token.text == ":") return TakeColon(at);
    const bool postgres = syntax_ == SqlSyntax::kPostgres;
    const bool numbered = token.text == "$" && (postgres ? IsDigit(at + 1) : IsSqlWordStart(At(at + 1)));
    const bool other = !postgres && (token.text == "?" || (token.text == "@" && IsSqlWordStart(At(at + 1))));
    if (!numbered && !other) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("the text has the parameter ",
                                                   std::string(sql_.substr(at, token.text == "?" ? 1 : 2)), " at byte ",
                                                   at + 1, ": parameters are written :name"));
  }

  absl::Status TakeColon(std::size_t at) {
    const char before = at == 0 ? ' ' : At(at - 1);
    if (before == '\\') {
      AppendUpTo(at - 1);
      named_.backslashes.push_back(at - 1);
      from_ = at;
      return absl::OkStatus();
    }
    SqlLexer ahead = lexer_;
    const SqlToken name = ahead.Next();
    const bool joined = name.kind == Kind::kWord && name.at == at + 1 && !IsDigit(name.at);
    const bool behind_word = before == ':' || before == '$' || IsSqlWordStart(before);
    if (joined && !behind_word) return TakeParameter(at, std::string(name.text));
    if (syntax_ == SqlSyntax::kPostgres || (!joined && before != ':')) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("the colon at byte ", at + 1,
                                                   " begins no parameter, since it follows a word or a colon, and "
                                                   "SQLite has no :: casts and no slices: write CAST(x AS type)"));
  }

  absl::Status TakeParameter(std::size_t at, const std::string& name) {
    if (absl::StrContains(name, "$")) {
      return absl::InvalidArgumentError(
          absl::StrCat("the parameter :", name, " has a $ in its name: use letters, digits and underscores"));
    }
    reading_.Take(lexer_.Next());  // the name is no word of the statement's
    AppendUpTo(at);
    named_.pieces.push_back(std::move(piece_));
    named_.starts.push_back(start_);
    piece_.clear();
    from_ = start_ = at + 1 + name.size();
    const auto [found, added] = indexes_.try_emplace(name, named_.names.size());
    if (added) named_.names.push_back(name);
    named_.occurrences.push_back(found->second);
    if (named_.names.size() <= kSqlParametersMax && named_.occurrences.size() <= kSqlBytesMax) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("the statement has more than ", kSqlParametersMax, " parameters: use an array, or several"));
  }

  void AppendUpTo(std::size_t end) {
    piece_.append(sql_.substr(from_, end - from_));
    from_ = end;
  }

  absl::StatusOr<NamedSql> End(std::size_t at) {
    if (reading_.empty()) return absl::InvalidArgumentError("there is no statement in the text");
    if (const std::string fault = FaultOf(reading_, syntax_); !fault.empty()) {
      return absl::InvalidArgumentError(fault);
    }
    AppendUpTo(at);
    named_.given = sql_;
    named_.pieces.push_back(std::move(piece_));
    named_.starts.push_back(start_);
    const bool selects = named_.verb == "SELECT" || named_.verb == "VALUES" || named_.verb == "TABLE";
    named_.is_query = selects || (named_.verb == "WITH" && !writes_);
    named_.returns_rows = named_.returns_rows || named_.is_query;
    named_.calls_functions = calls_.any();
    named_.marks_session = marks_.any();
    return std::move(named_);
  }

  const std::string_view sql_;
  const SqlSyntax syntax_;
  SqlLexer lexer_;
  SqlReading reading_;
  SqlCalls calls_;
  SessionMarks marks_;
  NamedSql named_;
  std::unordered_map<std::string, std::size_t> indexes_;  // into names
  std::string piece_;                                     // that fills
  std::size_t start_ = 0;                                 // of it
  std::size_t from_ = 0;                                  // what is not yet in it
  std::string word_before_;
  bool writes_ = false;
};

// The characters before byte `offset`.
std::size_t CountCharacters(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  return static_cast<std::size_t>(std::count_if(
      before.begin(), before.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string MarkOf(const NamedSql& sql, std::size_t first, std::size_t occurrence) {
  return first == kQuestionMarks ? "?" : absl::StrCat("$", first + sql.occurrences[occurrence]);
}

absl::Status Fault(const std::string& name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("parameter :", PrintableText(name, 100), " ", what));
}

std::string Listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t n = 0; n < names.size(); ++n) {
    if (n == 10) return text + " ...";
    absl::StrAppend(&text, n == 0 ? "" : ", ", ":", names[n]);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

absl::StatusOr<NamedSql> ParseNamedSql(std::string_view sql, SqlSyntax syntax) {
  if (sql.size() > kSqlBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("the statement has ", sql.size(), " bytes, more than the ",
                                                   kSqlBytesMax, " that are allowed: send large values as parameters"));
  }
  if (!IsStorableText(sql)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the statement is not UTF-8 without NUL from byte ", StorablePrefix(sql) + 1, " on"));
  }
  return Parser(sql, syntax).Parse();
}

std::string NumberedText(const NamedSql& sql, std::size_t first) {
  std::string text = sql.pieces.front();
  for (std::size_t n = 0; n < sql.occurrences.size(); ++n) {
    absl::StrAppend(&text, MarkOf(sql, first, n), sql.pieces[n + 1]);
  }
  return text;
}

std::uint32_t PositionIn(const NamedSql& sql, std::size_t first, std::size_t offset) {
  std::size_t piece = 0;
  std::size_t within = offset;  // from the start of `piece`
  for (; piece < sql.occurrences.size() && within >= sql.pieces[piece].size(); ++piece) {
    const std::size_t number = MarkOf(sql, first, piece).size();
    if (within < sql.pieces[piece].size() + number) {
      within = sql.pieces[piece].size();
      break;
    }
    within -= sql.pieces[piece].size() + number;
  }
  std::size_t at = sql.starts[piece] + std::min(within, sql.pieces[piece].size());
  for (const std::size_t backslash : sql.backslashes) {
    if (backslash >= sql.starts[piece] && backslash <= at) ++at;
  }
  return static_cast<std::uint32_t>(CountCharacters(sql.given, at) + 1);
}

absl::StatusOr<std::vector<const SqlValue*>> MatchParameters(const NamedSql& sql, const SqlCommand& command) {
  std::unordered_map<std::string_view, std::size_t> indexes;
  for (std::size_t n = 0; n < sql.names.size(); ++n) indexes.emplace(sql.names[n], n);
  std::vector<const SqlValue*> values(sql.names.size(), nullptr);
  for (const SqlParameter& parameter : command.parameters) {
    const auto found = indexes.find(parameter.name);
    if (found == indexes.end()) {
      return Fault(parameter.name, absl::StrCat("does not occur in the statement: leave it out, or correct its name; "
                                                "the statement has ",
                                                Listed(sql.names)));
    }
    if (values[found->second] != nullptr) return Fault(parameter.name, "is given twice: give it once");
    if (const std::string fault = SqlValueFault(parameter.value); !fault.empty()) return Fault(parameter.name, fault);
    values[found->second] = &parameter.value;
  }
  for (std::size_t n = 0; n < values.size(); ++n) {
    if (values[n] == nullptr) return Fault(sql.names[n], "has no value: give it one, or NULL");
  }
  return values;
}

}  // namespace dbos::sidecar
