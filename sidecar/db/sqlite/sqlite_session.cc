#include "sidecar/db/sqlite/sqlite_session.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"

#include "sidecar/base/check.h"
#include "sidecar/base/status.h"
#include "sidecar/db/cursor_page.h"
#include "sidecar/db/session_answers.h"
#include "sidecar/db/sqlite/sqlite_connection.h"
#include "sidecar/db/sqlite/sqlite_errors.h"
#include "sidecar/db/sqlite/sqlite_failure.h"
#include "sidecar/db/sqlite/sqlite_handle.h"
#include "sidecar/db/sqlite/sqlite_values.h"

namespace dbos::sidecar {
namespace {

// More rows than fit.
struct TooLarge {};

class SqliteSession : public SqlSession {
 public:
  explicit SqliteSession(const std::string& path)
      : handle_(path), own_(OpenSqliteConnection(path, ConnectionRole::kWriter)), dialect_(SqliteDialect()) {}
  ~SqliteSession() override { SqliteSession::RollBack(); }
  SqliteSession(const SqliteSession&) = delete;
  SqliteSession& operator=(const SqliteSession&) = delete;

  SqlSyntax syntax() const override { return SqlSyntax::kSqlite; }

  void Begin(const TransactionMode& mode, absl::Time deadline, std::size_t rows_bytes_max) override {
    RollBack();
    mode_ = mode;
    deadline_ = deadline;
    rows_bytes_max_ = rows_bytes_max;
    state_ = State::kBegun;
    commits_ = false;
  }

  void Defer(const NamedSql& sql, const SqlValues& values) override { deferred_.emplace_back(&sql, &values); }

  absl::StatusOr<SqlAnswer> Run(const NamedSql& sql, const SqlValues& values) override {
    return Guard(&sql, [&] {
      sqlite3_stmt* statement = handle_.PrepareKept(NumberedText(sql, kQuestionMarks));
      const Reset reset(statement);
      Bind(statement, sql, values);
      SqlRows rows;
      ReadAll(statement, rows);
      rows.affected = Affected(statement, sql, rows);
      return rows;
    });
  }

  absl::StatusOr<SqlAnswer> OpenCursor(const NamedSql& sql, const SqlValues& values, std::uint32_t rows) override {
    return Guard(&sql, [&] {
      cursor_.reset();
      SqliteStatement statement = handle_.Prepare(NumberedText(sql, kQuestionMarks));
      if (sqlite3_stmt_readonly(statement.get()) == 0 || !sql.is_query) {
        throw SQLite::Exception("syntax error: a cursor holds SELECT, VALUES, or a WITH that writes nothing",
                                SQLITE_ERROR);
      }
      Bind(statement.get(), sql, values);
      cursor_ = std::move(statement);
      cursor_depth_ = savepoints_;
      cursor_ended_ = false;
      cursor_columns_.clear();
      row_ahead_.clear();
      return Page(rows);
    });
  }

  absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) override {
    if (state_ != State::kAborted && cursor_ == nullptr) return NoCursor();
    return Guard(nullptr, [&] { return Page(rows); });
  }

  absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) override {
    if (action != SavepointAction::kSet && savepoints_ == 0) return NoSavepoint();
    const bool back = action == SavepointAction::kRollBack;
    if (back && deferred_.empty() && state_ == State::kAborted && handle_.in_transaction()) state_ = State::kOpen;
    return Guard(nullptr, [&] {
      const std::string name = absl::StrCat("dbos_", action == SavepointAction::kSet ? savepoints_ + 1 : savepoints_);
      if (action == SavepointAction::kSet) handle_.Exec(absl::StrCat("SAVEPOINT ", name));
      if (back && cursor_depth_ >= savepoints_) cursor_.reset();
      if (back) handle_.Exec(absl::StrCat("ROLLBACK TO ", name));
      if (action != SavepointAction::kSet) handle_.Exec(absl::StrCat("RELEASE ", name));
      savepoints_ = action == SavepointAction::kSet ? savepoints_ + 1 : savepoints_ - 1;
      cursor_depth_ = std::min(cursor_depth_, savepoints_);
      return SqlRows();
    });
  }

  absl::StatusOr<SqlAnswer> Commit(const Statement* record) override { return CommitWith(record, nullptr); }

  absl::StatusOr<SqlOutcome> RunAndCommit(const NamedSql& sql, const SqlValues& values,
                                          const Statement* record) override {
    ASSIGN_OR_RETURN(SqlOutcome outcome, RunForOutcome(sql, values));
    if (std::holds_alternative<SqlFailure>(outcome)) return outcome;
    ASSIGN_OR_RETURN(SqlAnswer answer, CommitWith(record, &std::get<std::string>(outcome)));
    if (auto* failure = std::get_if<SqlFailure>(&answer)) return std::move(*failure);
    return outcome;
  }

  bool could_group() const override { return true; }
  absl::StatusOr<SqlGroupOutcome> RunGroup(const std::vector<SqlGroupMember>& group) override {
    SqlGroupOutcome all;
    for (const SqlGroupMember& member : group) {
      ASSIGN_OR_RETURN(SqlOutcome outcome, RunAndRecord(member));
      if (auto* failure = std::get_if<SqlFailure>(&outcome)) {
        return SqlGroupOutcome{{}, std::move(*failure), all.outcomes.size()};
      }
      all.outcomes.push_back(std::move(std::get<std::string>(outcome)));
    }
    ASSIGN_OR_RETURN(SqlAnswer answer, CommitWith(nullptr, nullptr));
    if (auto* failure = std::get_if<SqlFailure>(&answer)) return SqlGroupOutcome{{}, std::move(*failure), {}};
    return all;
  }

  void RollBack() override {
    deferred_.clear();
    cursor_.reset();
    savepoints_ = 0;
    state_ = State::kNone;
    if (handle_.in_transaction()) {
      try {
        handle_.Exec("ROLLBACK");
      } catch (const SQLite::Exception&) {
        handle_.Close();
      }
    }
    handle_.GiveTurn();
  }

  absl::StatusOr<Result> Execute(const Statement& statement) override {
    RollBack();
    return own_->Execute(statement);
  }
  absl::Status RunScript(const std::string& sql) override {
    RollBack();
    return own_->RunScript(sql).status();
  }

  void Interrupt() override { handle_.Interrupt(); }

 private:
  // kBegun: the database knows nothing of it yet. kAborted: a statement failed.
  enum class State { kNone, kBegun, kOpen, kAborted };
  using Deferred = std::vector<std::pair<const NamedSql*, const SqlValues*>>;

  struct Reset {
    explicit Reset(sqlite3_stmt* used) : statement(used) {}
    ~Reset() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
    Reset(const Reset&) = delete;
    Reset& operator=(const Reset&) = delete;
    sqlite3_stmt* const statement;
  };

  // Runs what was deferred and `body` in the transaction, and turns what they throw into an answer. `sql`: whose text
  // an error's place is in.
  template <typename Body>
  absl::StatusOr<SqlAnswer> Guard(const NamedSql* sql, Body body) {
    const Deferred deferred = std::exchange(deferred_, {});
    if (state_ == State::kNone) return NoTransaction();
    if (state_ == State::kAborted) return AbortedBy(failure_);
    handle_.Busy(deadline_);
    absl::StatusOr<SqlAnswer> answer = RunDeferred(deferred);
    if (answer.ok() && std::holds_alternative<SqlRows>(*answer)) answer = Caught(sql, body);
    const bool stopped = handle_.Idle();
    if (!answer.ok()) return End(answer.status());
    if (stopped && state_ != State::kNone) return End(TimeIsOver());
    return answer;
  }

  absl::StatusOr<SqlAnswer> RunDeferred(const Deferred& deferred) {
    std::uint32_t number = 0;
    for (const auto& one : deferred) {
      ++number;
      ASSIGN_OR_RETURN(SqlAnswer answer, Caught(one.first, [&] { return RunWithoutRows(*one.first, *one.second); }));
      auto* failure = std::get_if<SqlFailure>(&answer);
      if (failure == nullptr) continue;
      failure->deferred = number;
      return answer;
    }
    return SqlRows();
  }

  template <typename Body>
  absl::StatusOr<SqlAnswer> Caught(const NamedSql* sql, Body body) {
    if (handle_.IsOver()) return TimeIsOver();
    bool in_text = false;
    try {
      Start();
      in_text = true;
      return SqlAnswer(body());
    } catch (const TooLarge&) {
      return TooManyRows(rows_bytes_max_);
    } catch (const SQLite::Exception& error) {
      const int code = error.getExtendedErrorCode() > 0 ? error.getExtendedErrorCode() : error.getErrorCode();
      return Failed(code, error.what(), in_text ? sql : nullptr);
    }
  }

  // A failure of the statement, or an error when it is none.
  absl::StatusOr<SqlAnswer> Failed(int code, const std::string& message, const NamedSql* sql) {
    if ((code & 0xFF) == SQLITE_INTERRUPT || absl::Now() >= deadline_) return TimeIsOver();
    failure_ = SqliteFailure(code, message);
    if (failure_.sqlstate.empty()) {
      cursor_.reset();
      handle_.Close();
      const absl::Status error = SqliteError(code, absl::StrCat(message, " (", handle_.path(), ")"));
      return commits_ ? error : BeforeCommit(error);
    }
    if (sql != nullptr && handle_.error_offset() >= 0) {
      failure_.position = PositionIn(*sql, kQuestionMarks, static_cast<std::size_t>(handle_.error_offset()));
    }
    // Nothing of it can be kept: others may write.
    if (savepoints_ == 0) RollBack();
    if (!handle_.in_transaction()) handle_.GiveTurn();
    state_ = State::kAborted;
    return failure_;
  }

  void Start() {
    if (state_ != State::kBegun) return;
    handle_.Open();
    if (!mode_.read_only) handle_.TakeTurn();
    if (std::exchange(query_only_, mode_.read_only) != mode_.read_only) {
      handle_.Exec(absl::StrCat("PRAGMA query_only = ", mode_.read_only ? 1 : 0));
    }
    handle_.Exec(mode_.read_only ? "BEGIN" : dialect_.begin);
    state_ = State::kOpen;
  }

  absl::Status End(absl::Status why) {
    RollBack();
    return why;
  }

  // Rolled back where there is none.
  absl::StatusOr<SqlOutcome> RunForOutcome(const NamedSql& sql, const SqlValues& values) {
    ASSIGN_OR_RETURN(SqlAnswer answer, Run(sql, values));
    if (auto* failure = std::get_if<SqlFailure>(&answer)) {
      RollBack();
      return std::move(*failure);
    }
    absl::StatusOr<SqlOutcome> outcome = OutcomeOf(std::get<SqlRows>(answer), rows_bytes_max_);
    if (!outcome.ok() || std::holds_alternative<SqlFailure>(*outcome)) RollBack();
    return outcome;
  }

  absl::StatusOr<SqlOutcome> RunAndRecord(const SqlGroupMember& member) {
    ASSIGN_OR_RETURN(SqlOutcome outcome, RunForOutcome(*member.sql, *member.values));
    if (std::holds_alternative<SqlFailure>(outcome)) return outcome;
    ASSIGN_OR_RETURN(SqlAnswer answer, Guard(nullptr, [&] {
                       RunRecord(*member.record, &std::get<std::string>(outcome));
                       return SqlRows();
                     }));
    auto* failure = std::get_if<SqlFailure>(&answer);
    if (failure == nullptr) return outcome;
    return std::move(*failure);
  }

  absl::StatusOr<SqlAnswer> CommitWith(const Statement* record, const std::string* outcome) {
    if (state_ == State::kBegun && deferred_.empty() && record == nullptr) {
      RollBack();
      return SqlRows();
    }
    absl::StatusOr<SqlAnswer> answer = Guard(nullptr, [&] {
      cursor_.reset();
      if (record != nullptr) RunRecord(*record, outcome);
      commits_ = true;
      handle_.Exec("COMMIT");
      state_ = State::kNone;
      return SqlRows();
    });
    RollBack();
    return answer;
  }

  void RunRecord(const Statement& record, const std::string* outcome) {
    std::vector<Value> values = record.args();
    values.insert(values.end(), record.values().begin(), record.values().end());
    std::string text = ExpandQuery(dialect_, record.query(), Dialect::Rows::kListed, record.row_count());
    if (outcome != nullptr) {
      values.emplace_back(std::string_view(*outcome));
      text = absl::StrReplaceAll(text, {{"{result}", absl::StrCat("$", values.size())}});
    }
    sqlite3_stmt* statement = handle_.PrepareKept(text);
    const Reset reset(statement);
    for (std::size_t n = 0; n < values.size(); ++n) {
      const int index = sqlite3_bind_parameter_index(statement, absl::StrCat("$", n + 1).c_str());
      if (index > 0) handle_.Check(BindValue(statement, index, values[n]));
    }
    while (handle_.Step(statement)) {
    }
  }

  // Not by numbers or names, each of which SQLite looks for among all others.
  void Bind(sqlite3_stmt* statement, const NamedSql& sql, const SqlValues& values) {
    if (static_cast<std::size_t>(sqlite3_bind_parameter_count(statement)) != sql.occurrences.size()) {
      throw SQLite::Exception("syntax error: SQLite finds other parameters in the text", SQLITE_ERROR);
    }
    int index = 0;
    for (const std::size_t name : sql.occurrences) handle_.Check(BindValue(statement, ++index, *values[name]));
  }

  SqlRows RunWithoutRows(const NamedSql& sql, const SqlValues& values) {
    sqlite3_stmt* statement = handle_.PrepareKept(NumberedText(sql, kQuestionMarks));
    const Reset reset(statement);
    Bind(statement, sql, values);
    while (handle_.Step(statement)) {
    }
    return {};
  }

  void ReadAll(sqlite3_stmt* statement, SqlRows& rows) {
    for (std::size_t bytes = 0; handle_.Step(statement);) {
      bytes += ReadRow(statement, rows_bytes_max_ - bytes, rows);
      if (bytes > rows_bytes_max_) throw TooLarge();
    }
    Complete(statement, rows);
  }

  SqlRows Page(std::uint32_t most) {
    SqlRows page;
    page.columns = cursor_columns_;
    page.cells = std::exchange(row_ahead_, {});
    CursorPage size(most, rows_bytes_max_);
    if (!page.cells.empty()) size.Takes(BytesOf(page.cells));
    while (!size.is_full() && !cursor_ended_ && row_ahead_.empty()) {
      cursor_ended_ = !handle_.Step(cursor_.get());
      if (!cursor_ended_) TakeRow(size, page);
    }
    Complete(cursor_.get(), page);
    cursor_columns_ = page.columns;
    page.more = !cursor_ended_;
    page.affected = CountRows(page);
    return page;
  }

  // Into the page, or what does not fit into it kept for the next one.
  void TakeRow(CursorPage& size, SqlRows& page) {
    const std::size_t before = page.cells.size();
    const std::size_t bytes = ReadRow(cursor_.get(), rows_bytes_max_, page);
    if (bytes > rows_bytes_max_) throw TooLarge();
    if (size.Takes(bytes)) return;
    const auto row = page.cells.begin() + static_cast<std::ptrdiff_t>(before);
    row_ahead_.assign(std::move_iterator(row), std::move_iterator(page.cells.end()));
    page.cells.erase(row, page.cells.end());
  }

  static std::int64_t CountRows(const SqlRows& rows) {
    return rows.columns.empty() ? 0 : static_cast<std::int64_t>(rows.cells.size() / rows.columns.size());
  }

  std::int64_t Affected(sqlite3_stmt* statement, const NamedSql& sql, const SqlRows& rows) const {
    if (sqlite3_stmt_readonly(statement) != 0) return CountRows(rows);
    for (const char* verb : {"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"}) {
      if (sql.verb == verb) return handle_.changes();
    }
    return 0;
  }

  SqliteHandle handle_;
  const std::unique_ptr<Connection> own_;  // for our own statements
  const Dialect dialect_;

  Deferred deferred_;
  State state_ = State::kNone;
  bool commits_ = false;  // COMMIT was tried
  TransactionMode mode_;
  absl::Time deadline_;
  std::size_t rows_bytes_max_ = 0;
  bool query_only_ = false;  // of the handle
  SqlFailure failure_;       // that aborted the transaction
  std::size_t savepoints_ = 0;

  SqliteStatement cursor_;
  std::vector<SqlColumn> cursor_columns_;
  std::vector<std::optional<std::string>> row_ahead_;  // has been read, and did not fit into its page
  bool cursor_ended_ = false;
  std::size_t cursor_depth_ = 0;  // savepoints that were set when it was opened
};

}  // namespace

std::unique_ptr<SqlSession> OpenSqliteSession(const std::string& path) {
  return std::make_unique<SqliteSession>(path);
}

}  // namespace dbos::sidecar
