#include "sidecar/db/postgres/postgres_connection.h"

#include <algorithm>
#include <utility>

#include "sidecar/base/status.h"
#include "sidecar/db/error_offset.h"
#include "sidecar/db/postgres/conflict_retry.h"
#include "sidecar/db/postgres/postgres_database.h"
#include "sidecar/db/postgres/postgres_errors.h"
#include "sidecar/db/postgres/postgres_failure.h"

namespace dbos::sidecar {
namespace {

constexpr Query kBegin = {.name = "begin", .args = "", .rows = "", .sql = "BEGIN"};
constexpr Query kDurably = {.name = "durably", .args = "", .rows = "", .sql = "{durably}"};
constexpr Query kCommit = {.name = "commit", .args = "", .rows = "", .sql = "COMMIT"};

// Statements of so many rows take the server long enough for us to prepare the batch that follows.
constexpr std::size_t kManyRows = 8;

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

}  // namespace

std::unique_ptr<Connection> OpenPostgresConnection(const PostgresParameters& parameters, const Dialect& dialect,
                                                   ConnectionRole role, const PasswordSource& password) {
  return std::make_unique<PostgresConnection>(parameters, dialect, role, password);
}

absl::Status PostgresConnection::Connect() {
  if (link_.is_open()) return absl::OkStatus();
  prepared_.clear();
  prepared_for_one_row_.clear();
  RETURN_IF_ERROR(link_.Open());
  dialect_ = link_.DialectOf(dialect_.schema_name);
  if (pooled_) return absl::OkStatus();
  return link_.Apply(SettingsOf(dialect_, role_));
}

absl::StatusOr<std::vector<Result>> PostgresConnection::RunBatch(std::span<const Statement> statements,
                                                                 const Meanwhile& meanwhile) {
  Meanwhile once = meanwhile;
  return RetryConflicts([&] { return RunBatchOnce(statements, std::exchange(once, {})); });
}

absl::StatusOr<Result> PostgresConnection::Execute(const Statement& statement) {
  return RetryConflicts([&] { return ExecuteOnce(statement); });
}

// A script that goes on with an open transaction cannot be run again by itself.
absl::StatusOr<Result> PostgresConnection::RunScript(const std::string& sql) {
  KeepSent();
  const bool whole = !link_.InTransaction();
  if (!whole) return RunScriptOnce(sql);
  return RetryConflicts([&] { return RunScriptOnce(sql); });
}

absl::StatusOr<std::vector<Result>> PostgresConnection::RunBatchOnce(std::span<const Statement> statements,
                                                                     const Meanwhile& meanwhile) {
  const bool connected = link_.is_open();
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
  if (!link_.is_open()) return;
  in_flight_ = SendPipeline(statements, UnitOf(statements)).ok();
  sent_ = statements.data();
}

// Makes room on the connection for another call.
void PostgresConnection::KeepSent() {
  if (std::exchange(in_flight_, false) && link_.is_open()) kept_ = ReceivePipeline({});
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
  const PostgresResult result(PQexec(link_.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
    return ToResult(result.get());
  }
  const std::size_t offset = OffsetOf(result.get(), sql, link_.get());
  absl::Status error = ErrorOf(result.get(), Seen::kFirst);
  if (offset != std::string::npos) SetErrorOffset(offset, error);
  link_.RollBackIfOpen();
  return error;
}

absl::StatusOr<Dialect> PostgresConnection::ServerDialect() {
  RETURN_IF_ERROR(Connect());
  return dialect_;
}

absl::Status PostgresConnection::SendPipeline(std::span<const Statement> statements, Unit unit) {
  RETURN_IF_ERROR(Connect());
  expected_.clear();
  PQsetnonblocking(link_.get(), 1);
  PQenterPipelineMode(link_.get());
  shows_early_ = false;
  if (unit == Unit::kTransaction) {
    RETURN_IF_ERROR(SendTransaction(statements));
  } else {
    RETURN_IF_ERROR(Send(statements.front(), Expected::Kind::kStatement));
  }
  return PQpipelineSync(link_.get()) == 1 ? absl::OkStatus() : link_.Lost();
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
  if (shows_early_ && PQsendFlushRequest(link_.get()) != 1) return link_.Lost();
  return Send(Statement(kCommit), Expected::Kind::kCommit);
}

absl::StatusOr<std::vector<Result>> PostgresConnection::ReceivePipeline(const std::function<void()>& at_commit) {
  absl::StatusOr<std::vector<Result>> results = ReceiveAll(at_commit);
  if (!link_.is_open() || in_flight_) return results;
  if (PQexitPipelineMode(link_.get()) != 1) return link_.Lost();
  if (!results.ok()) link_.RollBackIfOpen();
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
  prepared.query = PostgresQuery::Expand(dialect_, query, one_row);
  return known.emplace(&query, std::move(prepared)).first->second;
}

absl::Status PostgresConnection::Send(const Statement& statement, Expected::Kind kind) {
  Prepared& prepared = Look(statement);
  if (!prepared.on_server) RETURN_IF_ERROR(Prepare(prepared));
  BinaryParameters parameters = prepared.query.Bind(statement);
  const int sent = PQsendQueryPrepared(link_.get(), prepared.name.c_str(), parameters.count(), parameters.values(),
                                       parameters.lengths(), parameters.formats(), 0);
  if (sent != 1) return link_.Lost();
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
  const std::vector<Oid> types = prepared.query.Types();
  const int sent = PQsendPrepare(link_.get(), prepared.name.c_str(), prepared.query.sql.c_str(),
                                 static_cast<int>(types.size()), types.data());
  if (sent != 1) return link_.Lost();
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
  ASSIGN_OR_RETURN(const PostgresResult end, link_.Receive());
  // The COMMIT itself can fail after all statements went well, and then its error came above.
  if (PQresultStatus(end.get()) != PGRES_PIPELINE_SYNC) return link_.Lost();
  if (!error.ok()) return error;
  return results;
}

// Returns an error when the connection is lost; what the database has against a statement goes into `error`.
absl::Status PostgresConnection::ReceiveAnswer(const Expected& expected, std::vector<Result>& results,
                                               absl::Status& error) {
  ASSIGN_OR_RETURN(const PostgresResult result, link_.Receive());
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
    if (expected.kind == Expected::Kind::kPrepare) expected.prepared->on_server = !expected.prepared->name.empty();
    if (expected.kind == Expected::Kind::kStatement) results.push_back(ToResult(result.get()));
  } else if (status != PGRES_PIPELINE_ABORTED && error.ok()) {
    error = ErrorOf(result.get(), expected.kind == Expected::Kind::kPrepare ? Seen::kFirst : Seen::kBefore);
    if (!link_.is_open()) return error;
  }
  ASSIGN_OR_RETURN(const PostgresResult separator, link_.Receive());
  return separator == nullptr ? absl::OkStatus() : link_.Lost();
}

absl::Status PostgresConnection::ErrorOf(const PGresult* result, Seen seen) {
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr) return link_.Lost();
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string text = message == nullptr ? "" : message;
  if (seen == Seen::kFirst && IsNotImplemented(sqlstate)) return NotImplementedError(text);
  absl::Status error = PostgresError(sqlstate, text);
  if (IsOfSharedSession(sqlstate)) pooled_ = true;
  if (NeedsReconnect(sqlstate)) link_.Close();
  return error;
}

}  // namespace dbos::sidecar
