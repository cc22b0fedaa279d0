#include "sidecar/db/sqlite/sqlite_connection.h"

#include <map>
#include <optional>
#include <span>
#include <utility>

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/check.h"
#include "sidecar/base/status.h"
#include "sidecar/db/dialect.h"
#include "sidecar/db/error_offset.h"
#include "sidecar/db/sqlite/sqlite_errors.h"
#include "sidecar/db/sqlite/sqlite_file.h"
#include "sidecar/db/sqlite/write_turns.h"

namespace dbos::sidecar {
namespace {

// A prepared statement and where its parameters are. SQLite numbers `$2` by first appearance, so they are looked up by
// name; 0: the text does not use it.
struct Prepared {
  std::unique_ptr<SQLite::Statement> statement;
  std::vector<int> args;
  std::vector<int> rows;  // row after row
};

// How many of the rows the next run of a statement takes. Few sizes, because each is a prepared statement.
std::size_t RowsOfOneRun(std::size_t rows) {
  for (const std::size_t size : {64U, 16U, 4U}) {
    if (rows >= size) return size;
  }
  return 1;
}

void Bind(SQLite::Statement& statement, int index, const Value& value) {
  if (index == 0) return;
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    statement.bind(index, *number);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    statement.bind(index, *flag ? 1 : 0);
  } else if (const auto* text = std::get_if<std::string_view>(&value)) {
    statement.bind(index, std::string(*text));
  } else {
    statement.bind(index);
  }
}

// Runs the bound statement to its end and appends its rows.
void Step(SQLite::Statement& statement, Result& result) {
  result.set_columns(static_cast<std::size_t>(statement.getColumnCount()));
  while (statement.executeStep()) {
    for (int column = 0; column < statement.getColumnCount(); ++column) {
      const SQLite::Column cell = statement.getColumn(column);
      if (cell.isNull()) {
        result.AddNull();
      } else {
        const char* text = cell.getText();
        result.AddText({text, static_cast<std::size_t>(cell.getBytes())});
      }
    }
  }
  statement.reset();
}

class SqliteConnection : public Connection {
 public:
  SqliteConnection(std::string path, ConnectionRole role)
      : path_(std::move(path)), role_(role), dialect_(SqliteDialect()), turns_(WriteTurns::Of(path_)) {}

  using Connection::RunBatch;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> statements,
                                               const Meanwhile& meanwhile) override {
    if (meanwhile.at_first) meanwhile.at_first();
    WriteTurn turn(turns_);
    if (role_ == ConnectionRole::kWriter && !turn.Take(absl::Now() + kSqliteBusy)) {
      return absl::AbortedError(absl::StrCat("SQLite: transactions of the application keep ", path_,
                                             " from being written for ", absl::FormatDuration(kSqliteBusy),
                                             ": make them shorter, or give the system database a file of its own"));
    }
    return Guard<std::vector<Result>>([&] {
      std::vector<Result> results;
      database_->exec(role_ == ConnectionRole::kReader ? "BEGIN" : "BEGIN IMMEDIATE");
      for (const Statement& statement : statements) results.push_back(Run(statement));
      database_->exec("COMMIT");
      return results;
    });
  }

  absl::StatusOr<Result> Execute(const Statement& statement) override {
    return Guard<Result>([&] { return Run(statement); });
  }

  absl::StatusOr<Result> RunScript(const std::string& sql) override {
    error_offset_.reset();
    absl::StatusOr<Result> result = Guard<Result>([&] { return RunText(sql); });
    if (result.ok() || !error_offset_) return result;
    absl::Status error = result.status();
    SetErrorOffset(*error_offset_, error);
    return error;
  }

  absl::StatusOr<Dialect> ServerDialect() override { return dialect_; }

 private:
  // Opens if need be, runs `body`, and turns what it throws into a status with the transaction rolled back.
  template <typename T, typename Body>
  absl::StatusOr<T> Guard(Body body) {
    try {
      Open();
      return body();
    } catch (const SQLite::Exception& error) {
      const int code = error.getExtendedErrorCode() > 0 ? error.getExtendedErrorCode() : error.getErrorCode();
      const absl::Status status = SqliteError(code, absl::StrCat(error.what(), " (", path_, ")"));
      if (database_ != nullptr && sqlite3_get_autocommit(database_->getHandle()) == 0) {
        database_->tryExec("ROLLBACK");
      }
      // A connection that was opened read-only stays so.
      if (absl::IsUnavailable(status) || absl::IsFailedPrecondition(status)) Close();
      return status;
    }
  }

  void Open() {
    if (database_ != nullptr) return;
    switch (role_) {
      case ConnectionRole::kWriter:
      case ConnectionRole::kMigration:
        database_ = OpenSqliteFile(path_, SqliteAccess::kWrite, dialect_.writer_settings);
        return;
      case ConnectionRole::kReader:
        database_ = OpenSqliteFile(path_, SqliteAccess::kRead, dialect_.reader_settings);
        return;
      case ConnectionRole::kInspection:
        database_ = OpenSqliteFile(path_, SqliteAccess::kInspect, "");
        return;
    }
  }

  void Close() {
    prepared_.clear();
    database_.reset();
  }

  Result Run(const Statement& statement) {
    Result result;
    std::span<const Value> values = statement.values();
    if (*statement.query().rows == '\0') RunOnce(Look(statement.query(), 0), statement.args(), values, result);
    for (std::size_t rows = statement.row_count(); rows > 0;) {
      const std::size_t size = RowsOfOneRun(rows);
      const std::size_t width = values.size() / rows;
      RunOnce(Look(statement.query(), size), statement.args(), values.first(size * width), result);
      values = values.subspan(size * width);
      rows -= size;
    }
    return result;
  }

  static void RunOnce(Prepared& prepared, std::span<const Value> args, std::span<const Value> values, Result& result) {
    DBOS_CHECK(args.size() == prepared.args.size());
    DBOS_CHECK(values.size() == prepared.rows.size());
    prepared.statement->tryReset();
    prepared.statement->clearBindings();
    for (std::size_t n = 0; n < args.size(); ++n) Bind(*prepared.statement, prepared.args[n], args[n]);
    for (std::size_t n = 0; n < values.size(); ++n) Bind(*prepared.statement, prepared.rows[n], values[n]);
    Step(*prepared.statement, result);
  }

  Prepared& Look(const Query& query, std::size_t rows) {
    const auto found = prepared_.find({&query, rows});
    if (found != prepared_.end()) return found->second;
    Prepared prepared;
    prepared.statement =
        std::make_unique<SQLite::Statement>(*database_, ExpandQuery(dialect_, query, dialect_.rows, rows));
    const std::size_t args = ParseColumns(query.args).size();
    const std::size_t values = rows * ParseColumns(query.rows).size();
    for (std::size_t n = 1; n <= args + values; ++n) {
      const int index = prepared.statement->getIndex(absl::StrCat("$", n).c_str());
      (n <= args ? prepared.args : prepared.rows).push_back(index);
    }
    return prepared_.emplace(std::pair(&query, rows), std::move(prepared)).first->second;
  }

  // Statement by statement, because only prepared ones return rows.
  Result RunText(const std::string& sql) {
    Result result;
    const char* rest = sql.c_str();
    while (*rest != '\0') {
      sqlite3_stmt* statement = nullptr;
      const std::ptrdiff_t start = rest - sql.c_str();
      const int prepared = sqlite3_prepare_v2(database_->getHandle(), rest, -1, &statement, &rest);
      if (prepared != SQLITE_OK) {
        const int offset = sqlite3_error_offset(database_->getHandle());
        if (offset >= 0) error_offset_ = static_cast<std::size_t>(start + offset);
        throw SQLite::Exception(database_->getHandle(), prepared);
      }
      if (statement == nullptr) continue;  // white space or a comment
      result = Result();
      result.set_columns(static_cast<std::size_t>(sqlite3_column_count(statement)));
      int stepped = SQLITE_ROW;
      while ((stepped = sqlite3_step(statement)) == SQLITE_ROW) AppendRow(statement, result);
      sqlite3_finalize(statement);
      if (stepped != SQLITE_DONE) throw SQLite::Exception(database_->getHandle(), stepped);
    }
    return result;
  }

  static void AppendRow(sqlite3_stmt* statement, Result& result) {
    for (int column = 0; column < sqlite3_column_count(statement); ++column) {
      const unsigned char* text = sqlite3_column_text(statement, column);
      if (text == nullptr) {
        result.AddNull();
      } else {
        result.AddText(
            {reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(statement, column))});
      }
    }
  }

  const std::string path_;
  const ConnectionRole role_;
  const Dialect dialect_;
  const std::shared_ptr<WriteTurns> turns_;
  std::optional<std::size_t> error_offset_;                            // of the last script
  std::unique_ptr<SQLite::Database> database_;                         // null: not open. Outlives the statements below.
  std::map<std::pair<const Query*, std::size_t>, Prepared> prepared_;  // by query and rows
};

}  // namespace

std::unique_ptr<Connection> OpenSqliteConnection(const std::string& path, ConnectionRole role) {
  return std::make_unique<SqliteConnection>(path, role);
}

}  // namespace dbos::sidecar
