// SqlSession on PostgreSQL and CockroachDB, over libpq's pipelines: BEGIN travels with the first statement, the step's
// record with COMMIT.
//
// Threads, blocking, errors: as SqlSession says.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "sidecar/base/status.h"
#include "sidecar/db/cursor_page.h"
#include "sidecar/db/postgres/postgres_catalog.h"
#include "sidecar/db/postgres/postgres_pipeline.h"
#include "sidecar/db/sql_session.h"

namespace dbos::sidecar {

// Rows that have been fetched wait for the page that they belong to: the next FETCH asks for more than one page only
// where rows have become larger.
struct PostgresCursor {
  std::size_t depth = 0;        // savepoints that were set when it was opened
  std::uint32_t fetch_max = 8;  // rows that one FETCH asks for; grows
  bool ended = false;
  std::vector<SqlColumn> columns;
  std::vector<std::optional<std::string>> ahead;  // rows that have been fetched
  std::size_t taken = 0;                          // cells of them
};

class PostgresSession : public SqlSession {
 public:
  PostgresSession(PostgresParameters parameters, PasswordSource password, const std::string& schema,
                  std::shared_ptr<PostgresCatalog> catalog)
      : pipeline_(std::move(parameters), std::move(password), schema), catalog_(std::move(catalog)) {}

  SqlSyntax syntax() const override { return SqlSyntax::kPostgres; }
  void Begin(const TransactionMode& mode, absl::Time deadline, std::size_t rows_bytes_max) override;
  void Defer(const NamedSql& sql, const SqlValues& values) override;
  absl::StatusOr<SqlAnswer> Run(const NamedSql& sql, const SqlValues& values) override;
  absl::StatusOr<SqlAnswer> OpenCursor(const NamedSql& sql, const SqlValues& values, std::uint32_t rows) override;
  absl::StatusOr<SqlAnswer> Fetch(std::uint32_t rows) override;
  absl::StatusOr<SqlAnswer> Savepoint(SavepointAction action) override;
  absl::StatusOr<SqlAnswer> Commit(const Statement* record) override;
  absl::StatusOr<SqlOutcome> RunAndCommit(const NamedSql& sql, const SqlValues& values,
                                          const Statement* record) override;
  bool could_group() const override { return could_group_; }
  absl::StatusOr<SqlGroupOutcome> RunGroup(const std::vector<SqlGroupMember>& group) override;
  bool SendRun(const NamedSql& sql, const SqlValues& values) override;
  bool SendCommit(const Statement* record) override;
  bool SendRunAndCommit(const NamedSql& sql, const SqlValues& values, const Statement* record) override;
  bool SendGroup(const std::vector<SqlGroupMember>& group) override;
  SqlArrival Poll() override;
  SqlWait WaitsFor() override { return {pipeline_.link().socket(), pipeline_.HasMoreToSend()}; }
  void RollBack() override;
  absl::StatusOr<Result> Execute(const Statement& statement) override;
  absl::Status RunScript(const std::string& sql) override;
  void Interrupt() override { pipeline_.Interrupt(); }

 private:
  // kBegun: nothing was sent. kAborted: a statement failed.
  enum class State { kNone, kBegun, kOpen, kAborted };

  using Calls = std::vector<PostgresCall>;
  using Rows = PostgresCall::Rows;

  // Where a user's statement is among the calls of a trip, and in the text of its call.
  struct Place {
    const NamedSql* sql = nullptr;
    std::size_t call = 0;
    std::size_t offset = 0;
    std::size_t first = 1;  // the number of its first parameter
    std::size_t size = kSqlBytesMax * 2;
  };
  // The calls of a round trip, and where the user's statements are: the deferred ones, and what they came with.
  struct Question {
    Calls calls;
    Place place;
    std::vector<Place> deferred;
  };
  // What a transaction begins with, where it has not begun, and the deferred statements.
  Question Opening();
  // The session's own transactions are of the kind that is asked for.
  bool IsOfTheSessionsKind() const;
  // Sends the calls of a transaction, the last of which may be its COMMIT. The transaction is over when it returns an
  // error.
  enum class Ends { kNo, kYes };
  absl::StatusOr<PostgresTrip> Send(Calls& calls, Ends ends);
  absl::StatusOr<PostgresTrip> Exchange(Calls& calls, Ends ends);
  absl::StatusOr<SqlAnswer> CommitWith(Question question);
  // Without a statement and a record there is nothing to commit.
  bool IsEmpty(const Statement* record) const {
    return state_ == State::kBegun && !sent_ && deferred_.empty() && record == nullptr;
  }
  absl::Status Ready();
  absl::Status Connect();
  absl::Status Idle();
  absl::StatusOr<Result> ExecuteOnce(const Statement& statement);
  absl::Status End(absl::Status why);
  // The failure of a trip, which aborts the transaction.
  SqlFailure Failed(const PostgresTrip& trip, const Question& question);
  SqlFailure Aborted();
  PostgresCall UsersCall(const NamedSql& sql, const SqlValues& values, Rows rows);
  Question Running(const NamedSql& sql, const SqlValues& values);
  Question Committing(const Statement* record);
  bool MaySend();
  bool SendHalf(Question question);
  // What was sent, or else what `make` makes.
  template <typename Make>
  absl::StatusOr<Question> SentOr(Make make) {
    if (sent_) return *std::exchange(sent_, std::nullopt);
    RETURN_IF_ERROR(Ready());
    return make();
  }
  std::shared_ptr<const PostgresShape> ShapeToJoin(const NamedSql& sql, const SqlValues& values);
  Question Joined(const NamedSql& sql, const SqlValues& values, const Statement* record, const PostgresShape& shape);
  std::variant<Question, std::size_t> Grouped(const std::vector<SqlGroupMember>& group);
  // RunAndCommit in one round trip; none: it cannot be done, and nothing was.
  absl::StatusOr<std::optional<SqlOutcome>> RunJoined(Question question);
  // And in two. `tried`: what was joined in vain before, or null.
  absl::StatusOr<SqlOutcome> RunApart(const NamedSql& sql, const SqlValues& values, const Statement* record,
                                      const PostgresShape* tried);
  absl::StatusOr<SqlOutcome> OutcomeOr(const SqlRows& rows);
  const PostgresQuery& QueryOf(const Statement& statement);
  absl::StatusOr<SqlAnswer> RowsOf(PostgresTrip trip);
  absl::Status NameTypes(PostgresTrip& trip);
  PostgresCall CallOf(const Statement& statement);

  absl::StatusOr<std::optional<SqlFailure>> FetchAhead(std::uint32_t rows_max);
  bool TakeAhead(CursorPage& size, SqlRows& page);
  absl::StatusOr<std::optional<SqlFailure>> RunDeferred();

  PostgresPipeline pipeline_;
  const std::shared_ptr<PostgresCatalog> catalog_;
  std::unordered_map<const Query*, PostgresQuery> queries_;  // as they are sent, in each form
  std::unordered_map<const Query*, PostgresQuery> one_row_queries_;

  std::vector<std::pair<const NamedSql*, const SqlValues*>> deferred_;
  std::optional<Question> sent_;  // and not taken yet
  bool could_group_ = false;      // the last RunAndCommit

  State state_ = State::kNone;
  TransactionMode mode_;
  PostgresLimits limits_;
  SqlFailure failure_;          // that aborted the transaction
  std::size_t savepoints_ = 0;  // that are set
  std::optional<PostgresCursor> cursor_;
  bool tables_changed_ = false;  // perhaps, in this transaction
};

}  // namespace dbos::sidecar
