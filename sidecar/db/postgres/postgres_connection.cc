#include "sidecar/db/postgres/postgres_connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <poll.h>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"

#include "sidecar/base/check.h"
#include "sidecar/base/status.h"
#include "sidecar/db/error_offset.h"
#include "sidecar/db/postgres/binary_parameters.h"
#include "sidecar/db/postgres/postgres_database.h"
#include "sidecar/db/postgres/postgres_errors.h"

namespace dbos::sidecar {
namespace {

constexpr Query kBegin = {.name = "begin", .args = "", .rows = "", .sql = "BEGIN"};
constexpr Query kDurably = {.name = "durably", .args = "", .rows = "", .sql = "{durably}"};
constexpr Query kCommit = {.name = "commit", .args = "", .rows = "", .sql = "COMMIT"};

// Together about half a second.
constexpr int kConflictTries = 10;
constexpr absl::Duration kConflictPause = absl::Milliseconds(1);
constexpr absl::Duration kConflictPauseMax = absl::Milliseconds(100);

// Statements of so many rows take the server long enough for us to prepare the batch that follows.
constexpr std::size_t kManyRows = 8;

Result ToResult(const PGresult* from) {
  Result result;
  const int columns = PQnfields(from);
  result.set_columns(static_cast<std::size_t>(columns));
  for (int row = 0; row < PQntuples(from); ++row) {
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(from, row, column) != 0) {
        result.AddNull();
      } else {
        result.AddText({PQgetvalue(from, row, column), static_cast<std::size_t>(PQgetlength(from, row, column))});
      }
    }
  }
  return result;
}

std::string SettingsOf(const Dialect& dialect, ConnectionRole role) {
  switch (role) {
    case ConnectionRole::kWriter:
      return dialect.writer_settings;
    case ConnectionRole::kReader:
      return dialect.reader_settings;
    case ConnectionRole::kMigration:
      return dialect.migration_settings;
    case ConnectionRole::kInspection:
      return "";
  }
  return "";
}

// PostgreSQL counts characters, from 1.
void NoteOffset(const PGresult* result, const std::string& sql, absl::Status& error) {
  const char* position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
  std::size_t characters = 0;
  if (position == nullptr || !absl::SimpleAtoi(position, &characters)) return;
  std::size_t offset = 0;
  for (; offset < sql.size(); ++offset) {
    const bool begins = (static_cast<unsigned char>(sql[offset]) & 0xC0) != 0x80;
    if (begins && --characters == 0) break;
  }
  SetErrorOffset(offset, error);
}

}  // namespace

std::unique_ptr<Connection> OpenPostgresConnection(const PostgresParameters& parameters, const Dialect& dialect,
                                                   ConnectionRole role, const PasswordSource& password) {
  return std::make_unique<PostgresConnection>(parameters, dialect, role, password);
}

absl::Status PostgresConnection::Connect() {
  if (connection_ != nullptr) return absl::OkStatus();
  prepared_.clear();
  prepared_for_one_row_.clear();
  ASSIGN_OR_RETURN(connection_, OpenPostgresSession(parameters_, password_));
  dialect_ = DialectOf(connection_, parameters_, dialect_.schema_name);
  return ApplySettings();
}

absl::Status PostgresConnection::ApplySettings() {
  const std::string settings = SettingsOf(dialect_, role_);
  if (settings.empty() || pooled_) return absl::OkStatus();
  const ResultPointer result(PQexec(connection_.get(), settings.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return absl::OkStatus();
  absl::Status error = ErrorOf(result.get(), Seen::kFirst);
  connection_.reset();
  return error;
}

// Runs what is a transaction by itself, again when it met another: on CockroachDB any may. Not for ever, since whoever
// called says what to do about a conflict that stays.
template <typename Run>
auto PostgresConnection::Retried(Run run) -> decltype(run()) {
  auto result = run();
  absl::Duration pause = kConflictPause;
  for (int tries = 1; tries < kConflictTries && IsConflict(result.status()); ++tries) {
    absl::SleepFor(pause);  // lets the other one end
    pause = std::min(pause * 2, kConflictPauseMax);
    result = run();
  }
  return result;
}

absl::StatusOr<std::vector<Result>> PostgresConnection::RunBatch(std::span<const Statement> statements,
                                                                 const Meanwhile& meanwhile) {
  Meanwhile once = meanwhile;
  return Retried([&] { return RunBatchOnce(statements, std::exchange(once, {})); });
}

absl::StatusOr<Result> PostgresConnection::Execute(const Statement& statement) {
  return Retried([&] { return ExecuteOnce(statement); });
}

// A script that goes on with an open transaction cannot be run again by itself.
absl::StatusOr<Result> PostgresConnection::RunScript(const std::string& sql) {
  KeepSent();
  const bool whole = connection_ == nullptr || PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
  if (!whole) return RunScriptOnce(sql);
  return Retried([&] { return RunScriptOnce(sql); });
}

absl::StatusOr<std::vector<Result>> PostgresConnection::RunBatchOnce(std::span<const Statement> statements,
                                                                     const Meanwhile& meanwhile) {
  const bool connected = connection_ != nullptr;
  if (!connected && meanwhile.at_first) meanwhile.at_first();
  const bool sent = sent_ == statements.data() && (kept_ || (in_flight_ && connected));
  if (!sent) {
    KeepSent();
    RETURN_IF_ERROR(SendPipeline(statements, UnitOf(statements)));
  }
  if (connected && meanwhile.at_first) meanwhile.at_first();
  if (sent) {
    sent_ = nullptr;
    in_flight_ = false;
    if (kept_) return *std::exchange(kept_, std::nullopt);
  }
  return ReceivePipeline(meanwhile.at_commit);
}

void PostgresConnection::SendBatch(std::span<const Statement> statements) {
  if (connection_ == nullptr) return;
  in_flight_ = SendPipeline(statements, UnitOf(statements)).ok();
  sent_ = statements.data();
}

// Makes room on the connection for another call.
void PostgresConnection::KeepSent() {
  if (std::exchange(in_flight_, false) && connection_ != nullptr) kept_ = ReceivePipeline({});
}

absl::StatusOr<Result> PostgresConnection::ExecuteOnce(const Statement& statement) {
  KeepSent();
  RETURN_IF_ERROR(SendPipeline({&statement, 1}, Unit::kStatement));
  ASSIGN_OR_RETURN(std::vector<Result> results, ReceivePipeline({}));
  return std::move(results.front());
}

absl::StatusOr<Result> PostgresConnection::RunScriptOnce(const std::string& sql) {
  KeepSent();
  RETURN_IF_ERROR(Connect());
  const ResultPointer result(PQexec(connection_.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
    return ToResult(result.get());
  }
  absl::Status error = ErrorOf(result.get(), Seen::kFirst);
  NoteOffset(result.get(), sql, error);
  RollBackIfOpen();
  return error;
}

absl::StatusOr<Dialect> PostgresConnection::ServerDialect() {
  RETURN_IF_ERROR(Connect());
  return dialect_;
}

absl::Status PostgresConnection::SendPipeline(std::span<const Statement> statements, Unit unit) {
  RETURN_IF_ERROR(Connect());
  expected_.clear();
  PQsetnonblocking(connection_.get(), 1);
  PQenterPipelineMode(connection_.get());
  shows_early_ = false;
  if (unit == Unit::kTransaction) {
    RETURN_IF_ERROR(SendTransaction(statements));
  } else {
    RETURN_IF_ERROR(Send(statements.front(), Expected::Kind::kStatement));
  }
  return PQpipelineSync(connection_.get()) == 1 ? absl::OkStatus() : Lost();
}

absl::Status PostgresConnection::SendTransaction(std::span<const Statement> statements) {
  RETURN_IF_ERROR(Send(Statement(kBegin), Expected::Kind::kBegin));
  if (SettlesDurability()) RETURN_IF_ERROR(Send(Statement(kDurably), Expected::Kind::kBegin));
  std::size_t rows = 0;
  for (const Statement& statement : statements) {
    RETURN_IF_ERROR(Send(statement, Expected::Kind::kStatement));
    rows += statement.row_count();
  }
  shows_early_ = rows >= kManyRows;
  if (shows_early_ && PQsendFlushRequest(connection_.get()) != 1) return Lost();
  return Send(Statement(kCommit), Expected::Kind::kCommit);
}

absl::StatusOr<std::vector<Result>> PostgresConnection::ReceivePipeline(const std::function<void()>& at_commit) {
  absl::StatusOr<std::vector<Result>> results = ReceiveAll(at_commit);
  if (connection_ == nullptr || in_flight_) return results;
  if (PQexitPipelineMode(connection_.get()) != 1) return Lost();
  if (!results.ok()) RollBackIfOpen();
  return results;
}

PostgresConnection::Prepared& PostgresConnection::Look(const Statement& statement) {
  const Query& query = statement.query();
  const bool one_row = statement.row_count() == 1;
  auto& known = one_row ? prepared_for_one_row_ : prepared_;
  const auto found = known.find(&query);
  if (found != known.end()) return found->second;
  Prepared prepared;
  if (!pooled_) prepared.name = one_row ? std::string(query.name) + "_one" : query.name;
  prepared.form = one_row ? Dialect::Rows::kListed : Dialect::Rows::kArrays;
  prepared.sql = ExpandQuery(dialect_, query, prepared.form);
  prepared.args = ParseColumns(query.args);
  prepared.rows = ParseColumns(query.rows);
  return known.emplace(&query, std::move(prepared)).first->second;
}

absl::Status PostgresConnection::Send(const Statement& statement, Expected::Kind kind) {
  Prepared& prepared = Look(statement);
  DBOS_CHECK(statement.args().size() == prepared.args.size());
  DBOS_CHECK(statement.values().size() == statement.row_count() * prepared.rows.size());
  if (!prepared.on_server) RETURN_IF_ERROR(Prepare(prepared));
  BinaryParameters parameters;
  parameters.AddPlain(prepared.args, statement.args());
  if (prepared.form == Dialect::Rows::kArrays) {
    parameters.AddArrays(prepared.rows, statement.values());
  } else {
    parameters.AddPlain(prepared.rows, statement.values());
  }
  const int sent = PQsendQueryPrepared(connection_.get(), prepared.name.c_str(), parameters.count(),
                                       parameters.values(), parameters.lengths(), parameters.formats(), 0);
  if (sent != 1) return Lost();
  expected_.push_back({kind, &prepared});
  return absl::OkStatus();
}

// The statement's name is free on the server, or an earlier message of this pipeline prepares it. One without a name
// lasts until the next.
absl::Status PostgresConnection::Prepare(Prepared& prepared) {
  for (const Expected& earlier : expected_) {
    if (prepared.name.empty()) break;
    if (earlier.kind == Expected::Kind::kPrepare && earlier.prepared == &prepared) return absl::OkStatus();
  }
  std::vector<Oid> types;
  for (const Column& column : prepared.args) types.push_back(TypeOid(column.type));
  for (const Column& column : prepared.rows) {
    types.push_back(prepared.form == Dialect::Rows::kArrays ? ArrayTypeOid(column.type) : TypeOid(column.type));
  }
  const int sent = PQsendPrepare(connection_.get(), prepared.name.c_str(), prepared.sql.c_str(),
                                 static_cast<int>(types.size()), types.data());
  if (sent != 1) return Lost();
  expected_.push_back({Expected::Kind::kPrepare, &prepared});
  return absl::OkStatus();
}

// Reads the answers to everything in `expected_` and the end of the pipeline. The first error is the one that counts:
// the server skips what follows it.
absl::StatusOr<std::vector<Result>> PostgresConnection::ReceiveAll(const std::function<void()>& at_commit) {
  std::vector<Result> results;
  absl::Status error;
  const bool shows_early = shows_early_ && at_commit;
  const std::vector<Expected> all = std::exchange(expected_, {});
  for (const Expected& expected : all) {
    if (shows_early && expected.kind == Expected::Kind::kCommit && error.ok()) at_commit();
    RETURN_IF_ERROR(ReceiveAnswer(expected, results, error));
  }
  ASSIGN_OR_RETURN(const ResultPointer end, Receive());
  // The COMMIT itself can fail after all statements went well, and then its error came above.
  if (PQresultStatus(end.get()) != PGRES_PIPELINE_SYNC) return Lost();
  if (!error.ok()) return error;
  return results;
}

// Returns an error when the connection is lost; what the database has against a statement goes into `error`.
absl::Status PostgresConnection::ReceiveAnswer(const Expected& expected, std::vector<Result>& results,
                                               absl::Status& error) {
  ASSIGN_OR_RETURN(const ResultPointer result, Receive());
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
    if (expected.kind == Expected::Kind::kPrepare) expected.prepared->on_server = !expected.prepared->name.empty();
    if (expected.kind == Expected::Kind::kStatement) results.push_back(ToResult(result.get()));
  } else if (status != PGRES_PIPELINE_ABORTED && error.ok()) {
    error = ErrorOf(result.get(), expected.kind == Expected::Kind::kPrepare ? Seen::kFirst : Seen::kBefore);
    if (connection_ == nullptr) return error;
  }
  ASSIGN_OR_RETURN(const ResultPointer separator, Receive());
  return separator == nullptr ? absl::OkStatus() : Lost();
}

// The next result, or null where one command's results end. Goes on sending meanwhile: if both sides only wrote, each
// would wait for the other to read.
absl::StatusOr<PostgresConnection::ResultPointer> PostgresConnection::Receive() {
  while (true) {
    const int unsent = PQflush(connection_.get());
    if (unsent < 0) return Lost();
    if (PQisBusy(connection_.get()) == 0) return ResultPointer(PQgetResult(connection_.get()));
    pollfd wait = {.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
    if (unsent > 0) wait.events = POLLIN | POLLOUT;
    if (poll(&wait, 1, -1) < 0 && errno != EINTR) return Lost();
    if (PQconsumeInput(connection_.get()) != 1) return Lost();
  }
}

absl::Status PostgresConnection::ErrorOf(const PGresult* result, Seen seen) {
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr) return Lost();
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string text = message == nullptr ? "" : message;
  if (seen == Seen::kFirst && IsNotImplemented(sqlstate)) return NotImplementedError(text);
  absl::Status error = PostgresError(sqlstate, text);
  if (IsOfSharedSession(sqlstate)) pooled_ = true;
  if (NeedsReconnect(sqlstate)) connection_.reset();
  return error;
}

absl::Status PostgresConnection::Lost() {
  absl::Status error = PostgresError("", PQerrorMessage(connection_.get()));
  connection_.reset();
  return error;
}

void PostgresConnection::RollBackIfOpen() {
  if (connection_ == nullptr || PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return;
  const ResultPointer result(PQexec(connection_.get(), "ROLLBACK"));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) connection_.reset();
}

}  // namespace dbos::sidecar
