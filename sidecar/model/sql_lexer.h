// SqlLexer: the tokens of SQL text, as far as one must know them to find the ends of statements and the parameters in
// them. SqlReading: what the tokens of one statement say about it.
//
// It knows quotes, dollar quotes, nested comments and E'' strings. What has no end goes on to the end of the text.
//
// Threads: one at a time. Blocking: never.
// Lifetime: tokens are parts of the text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dbos::sidecar {

enum class SqlSyntax {
  kPostgres,  // dollar quotes, nested comments, E'' strings
  kSqlite,    // names in `` and [], triggers with bodies
};

struct SqlToken {
  enum class Kind { kEnd, kComment, kWord, kQuoted, kSymbol };
  Kind kind = Kind::kEnd;
  std::string_view text;
  std::size_t at = 0;  // in bytes
};

// Words begin with a letter, a digit, an underscore or a byte above 0x7F.
bool IsSqlWordStart(char c);

class SqlLexer {
 public:
  SqlLexer(std::string_view sql, SqlSyntax syntax) : sql_(sql), postgres_(syntax == SqlSyntax::kPostgres) {}

  // Symbols come one character at a time.
  SqlToken Next();

 private:
  bool At(std::string_view text) const { return sql_.substr(at_, text.size()) == text; }
  SqlToken::Kind Skip();
  SqlToken::Kind To(std::size_t found, std::size_t length, SqlToken::Kind kind);
  SqlToken::Kind BlockComment();
  SqlToken::Kind Word();
  bool Continues();
  SqlToken::Kind Dollar();

  const std::string_view sql_;
  const bool postgres_;
  std::size_t at_ = 0;
};

class SqlReading {
 public:
  explicit SqlReading(SqlSyntax syntax) : syntax_(syntax) {}

  void Take(const SqlToken& token);

  bool empty() const { return empty_; }
  // A semicolon here belongs to the statement.
  bool inside() const { return parentheses_ > 0 || depth_ > 0; }
  bool in_parentheses() const { return parentheses_ > 0; }

  // The first six words outside of parentheses, in capitals.
  const std::vector<std::string>& words() const { return words_; }
  bool Has(std::size_t index, std::string_view word) const { return words_.size() > index && words_[index] == word; }

  // It begins or ends a transaction; not to a savepoint.
  bool EndsTransaction() const;
  // COPY from or to the client.
  bool copies() const { return copies_; }
  bool begins_with_backslash() const { return begins_with_backslash_; }

 private:
  bool BeginsBody() const;

  SqlSyntax syntax_;
  std::vector<std::string> words_;
  bool empty_ = true;
  bool begins_with_backslash_ = false;
  bool copies_ = false;
  bool has_body_ = false;
  int parentheses_ = 0;
  int depth_ = 0;  // of BEGIN and CASE
};

}  // namespace dbos::sidecar
