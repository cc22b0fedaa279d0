#include "sidecar/db/postgres/postgres_session.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "sidecar/base/check.h"
#include "sidecar/base/status.h"
#include "sidecar/db/postgres/conflict_retry.h"
#include "sidecar/db/postgres/postgres_database.h"
#include "sidecar/db/postgres/postgres_errors.h"
#include "sidecar/db/postgres/postgres_failure.h"
#include "sidecar/db/session_answers.h"

namespace dbos::sidecar {
namespace {

// Behind a pooler, where the session's settings may be anybody's.
constexpr char kLocalSettings[] =
    "SELECT set_config('synchronous_commit', 'on', true), set_config('DateStyle', 'ISO', true), "
    "set_config('IntervalStyle', 'postgres', true), set_config('bytea_output', 'hex', true), "
    "set_config('extra_float_digits', '1', true), set_config('standard_conforming_strings', 'on', true), "
    "set_config('lock_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '90s', true)";

constexpr Query kTypeNames = {
    .name = "type_name",
    .args = "type bigint",
    .rows = "",
    .sql = "SELECT typname FROM pg_catalog.pg_type WHERE oid = CAST($1 AS oid)",
};

std::string BeginText(const Dialect& dialect, const TransactionMode& mode) {
  const char* isolation = mode.isolation == Isolation::kSerializable     ? "SERIALIZABLE"
                          : mode.isolation == Isolation::kRepeatableRead ? "REPEATABLE READ"
                                                                         : "READ COMMITTED";
  return absl::StrCat("BEGIN ISOLATION LEVEL ", isolation, mode.read_only ? ", READ ONLY" : "",
                      mode.deferrable ? dialect.deferrable : "");
}

// Or, by the path of schemas, which of them a name means.
bool MayChangeTables(const NamedSql& sql) {
  constexpr absl::string_view kOthers[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE",   "WITH",    "VALUES",
                                           "TABLE",  "LOCK",   "SHOW",   "NOTIFY", "EXPLAIN", "TRUNCATE"};
  if (sql.verb == "SET") return absl::StrContains(absl::AsciiStrToLower(sql.given), "_path");
  return !absl::c_linear_search(kOthers, sql.verb);
}

std::int64_t AffectedBy(const PGresult* result) {
  std::int64_t rows = 0;
  return absl::SimpleAtoi(PQcmdTuples(const_cast<PGresult*>(result)), &rows) ? rows : 0;
}

}  // namespace

std::function<std::unique_ptr<SqlSession>()> OpenPostgresSessions(const PostgresParameters& parameters,
                                                                  const PasswordSource& password,
                                                                  const std::string& schema) {
  return [parameters, password, schema, catalog = std::make_shared<PostgresCatalog>()] {
    return std::make_unique<PostgresSession>(parameters, password, schema, catalog);
  };
}

void PostgresSession::Begin(const TransactionMode& mode, absl::Time deadline, std::size_t rows_bytes_max) {
  RollBack();
  mode_ = mode;
  limits_ = {deadline, rows_bytes_max};
  savepoints_ = 0;
  cursor_.reset();
  tables_changed_ = false;
  state_ = State::kBegun;
}

bool PostgresSession::IsOfTheSessionsKind() const {
  return mode_.isolation == Isolation::kSerializable && !mode_.read_only && !mode_.deferrable &&
         !pipeline_.through_pooler();
}

PostgresSession::Question PostgresSession::Opening() {
  Question question;
  if (state_ == State::kBegun) {
    const bool plain = IsOfTheSessionsKind();  // to set the isolation costs PostgreSQL 20 us of processor time
    question.calls.push_back(PostgresCall(plain ? "BEGIN" : BeginText(pipeline_.dialect(), mode_)).Kept());
    if (pipeline_.through_pooler()) question.calls.emplace_back(kLocalSettings);
  }
  for (const auto& [sql, values] : std::exchange(deferred_, {})) {
    question.deferred.push_back({sql, question.calls.size()});
    question.calls.push_back(UsersCall(*sql, *values, Rows::kDropped));
  }
  return question;
}

void PostgresSession::Defer(const NamedSql& sql, const SqlValues& values) {
  deferred_.emplace_back(&sql, &values);
}

// What was deferred goes with what it came with.
SqlFailure PostgresSession::Aborted() {
  deferred_.clear();
  return AbortedBy(failure_);
}

// What our own statements look like depends on the server.
absl::Status PostgresSession::Ready() {
  if (state_ != State::kBegun || pipeline_.link().is_open()) return absl::OkStatus();
  const absl::Status connected = Connect();
  return connected.ok() ? connected : End(connected);
}

absl::Status PostgresSession::Connect() {
  return BeforeCommit(pipeline_.Connect());
}

absl::Status PostgresSession::End(absl::Status why) {
  RollBack();
  return why;
}

// A connection that broke before the transaction began took nothing along: it is opened again. COMMIT is never sent
// twice, since its answer may be all that was lost.
absl::StatusOr<PostgresTrip> PostgresSession::Exchange(Calls& calls, Ends ends) {
  bool lay_idle = state_ == State::kBegun;
  if (!pipeline_.started()) {
    if (absl::Now() >= limits_.deadline) return TimeIsOver();
    if (lay_idle) {
      pipeline_.link().CloseIfEnded();
      lay_idle = pipeline_.link().is_open();
      RETURN_IF_ERROR(Connect());
    }
    pipeline_.Start(calls, limits_);
  }
  absl::StatusOr<PostgresTrip> trip = pipeline_.Finish();
  if (!absl::IsUnavailable(trip.status()) || !lay_idle || ends == Ends::kYes) return trip;
  RETURN_IF_ERROR(Connect());
  return pipeline_.Run(calls, limits_);
}

absl::StatusOr<PostgresTrip> PostgresSession::Send(Calls& calls, Ends ends) {
  if (state_ == State::kNone) return NoTransaction();
  if (state_ != State::kBegun && !pipeline_.started() && !pipeline_.link().is_open()) {
    return End(absl::AbortedError("the connection to PostgreSQL was lost, and the transaction with it"));
  }
  absl::StatusOr<PostgresTrip> trip = Exchange(calls, ends);
  if (!trip.ok()) return End(ends == Ends::kYes ? trip.status() : BeforeCommit(trip.status()));
  const bool committed = ends == Ends::kYes && trip->error == nullptr;
  if (trip->stopped && !committed) return End(TimeIsOver());
  if (trip->too_large && !committed) {
    return End(TooManyRows(limits_.rows_bytes_max));
  }
  state_ = State::kOpen;
  return trip;
}

SqlFailure PostgresSession::Failed(const PostgresTrip& trip, const Question& question) {
  const std::size_t call = trip.results.size();
  Place place = question.place;
  SqlFailure failure = FailureOf(trip.error.get());
  if (trip.error_is_stale) {
    failure.message = absl::StrCat("a table has changed since the statement was prepared: ", failure.message);
    failure.sqlstate = "40001";  // run again, it is prepared anew
  }
  for (std::size_t n = 0; n < question.deferred.size(); ++n) {
    if (question.deferred[n].call != call) continue;
    place = question.deferred[n];
    failure.deferred = static_cast<std::uint32_t>(n + 1);
  }
  if (place.sql != nullptr && call == place.call) {
    const std::size_t at = OffsetOf(trip.error.get(), question.calls[call].text(), pipeline_.link().get());
    const bool inside = at != std::string::npos && at >= place.offset && at <= place.offset + place.size;
    if (inside) failure.position = PositionIn(*place.sql, place.first, at - place.offset);
  }
  failure_ = failure;
  state_ = State::kAborted;
  return failure;
}

absl::StatusOr<SqlAnswer> PostgresSession::Run(const NamedSql& sql, const SqlValues& values) {
  if (state_ == State::kAborted) return Aborted();
  ASSIGN_OR_RETURN(Question question, SentOr([&] { return Running(sql, values); }));
  ASSIGN_OR_RETURN(PostgresTrip trip, Send(question.calls, Ends::kNo));
  if (trip.error != nullptr) return Failed(trip, question);
  return RowsOf(std::move(trip));
}

// What was prepared for a table as it was is refused once it is another; tried again, the whole transaction would come
// to the same point.
PostgresCall PostgresSession::UsersCall(const NamedSql& sql, const SqlValues& values, Rows rows) {
  const bool keeps = !tables_changed_;
  tables_changed_ = tables_changed_ || MayChangeTables(sql);
  PostgresCall call(sql, values);
  return keeps ? std::move(call).Kept().With(rows) : std::move(call).With(rows);
}

PostgresSession::Question PostgresSession::Running(const NamedSql& sql, const SqlValues& values) {
  Question question = Opening();
  question.place = {&sql, question.calls.size()};
  question.calls.push_back(UsersCall(sql, values, Rows::kTaken));
  return question;
}

absl::StatusOr<SqlAnswer> PostgresSession::RowsOf(PostgresTrip trip) {
  trip.rows.affected = AffectedBy(trip.results.back().get());
  RETURN_IF_ERROR(NameTypes(trip));
  return std::move(trip.rows);
}

// Types that are not built in are looked up, once for the process.
absl::Status PostgresSession::NameTypes(PostgresTrip& trip) {
  for (std::size_t n = 0; n < trip.types.size(); ++n) {
    const unsigned int type = trip.types[n];
    std::string name = catalog_->TypeName(type);
    if (name.empty()) {
      const Statement look(kTypeNames, {static_cast<std::int64_t>(type)});
      Question question;
      question.calls.push_back(CallOf(look));
      ASSIGN_OR_RETURN(const PostgresTrip found, Send(question.calls, Ends::kNo));
      const bool known = found.error == nullptr && PQntuples(found.results.back().get()) > 0;
      name = known ? PQgetvalue(found.results.back().get(), 0, 0) : absl::StrCat(type);
      if (found.error != nullptr) Failed(found, question);
      if (known) catalog_->SetTypeName(type, name);
    }
    trip.rows.columns[n].type = name;
  }
  return absl::OkStatus();
}

const PostgresQuery& PostgresSession::QueryOf(const Statement& statement) {
  const bool one_row = statement.row_count() == 1;
  auto& queries = one_row ? one_row_queries_ : queries_;
  const auto found = queries.find(&statement.query());
  if (found != queries.end()) return found->second;
  PostgresQuery query = PostgresQuery::Expand(pipeline_.dialect(), statement.query(), one_row);
  return queries.emplace(&statement.query(), std::move(query)).first->second;
}

PostgresCall PostgresSession::CallOf(const Statement& statement) {
  const PostgresQuery& query = QueryOf(statement);
  PostgresCall call(query.sql);
  call.AddArguments(query, statement);
  return std::move(call).Kept();
}

absl::StatusOr<SqlAnswer> PostgresSession::Savepoint(SavepointAction action) {
  if (action != SavepointAction::kSet && savepoints_ == 0) {
    return NoSavepoint();
  }
  const bool goes_back = action == SavepointAction::kRollBack && deferred_.empty();
  if (state_ == State::kAborted && !goes_back) return Aborted();
  RETURN_IF_ERROR(Ready());
  const std::string name = absl::StrCat("dbos_", action == SavepointAction::kSet ? savepoints_ + 1 : savepoints_);
  Question question = Opening();
  Calls& calls = question.calls;
  if (action == SavepointAction::kSet) calls.emplace_back(absl::StrCat("SAVEPOINT ", name));
  if (action == SavepointAction::kRollBack) calls.emplace_back(absl::StrCat("ROLLBACK TO SAVEPOINT ", name));
  if (action != SavepointAction::kSet) calls.emplace_back(absl::StrCat("RELEASE SAVEPOINT ", name));
  ASSIGN_OR_RETURN(const PostgresTrip trip, Send(calls, Ends::kNo));
  if (trip.error != nullptr) return Failed(trip, question);
  savepoints_ = action == SavepointAction::kSet ? savepoints_ + 1 : savepoints_ - 1;
  if (action == SavepointAction::kRollBack && cursor_ && cursor_->depth > savepoints_) cursor_.reset();
  if (action == SavepointAction::kRelease && cursor_) cursor_->depth = std::min(cursor_->depth, savepoints_);
  return SqlRows();
}

absl::StatusOr<SqlAnswer> PostgresSession::Commit(const Statement* record) {
  if (state_ == State::kAborted) {
    const SqlFailure failure = Aborted();
    RollBack();
    return failure;
  }
  if (IsEmpty(record)) {
    RollBack();  // nothing was done
    return SqlRows();
  }
  if (!sent_) pipeline_.link().CloseIfEnded();  // what is not sent is not in doubt
  ASSIGN_OR_RETURN(Question question, SentOr([&] { return Committing(record); }));
  return CommitWith(std::move(question));
}

PostgresSession::Question PostgresSession::Committing(const Statement* record) {
  Question question = Opening();
  if (record != nullptr) question.calls.push_back(CallOf(*record));
  question.calls.push_back(PostgresCall("COMMIT").Kept());
  return question;
}

// The last of the calls is COMMIT.
absl::StatusOr<SqlAnswer> PostgresSession::CommitWith(Question question) {
  ASSIGN_OR_RETURN(const PostgresTrip trip, Send(question.calls, Ends::kYes));
  if (trip.error != nullptr) {
    const SqlFailure failure = Failed(trip, question);
    RollBack();
    return failure;
  }
  // It says ROLLBACK, and succeeds, where the transaction had failed.
  const std::string said = PQcmdStatus(trip.results.back().get());
  state_ = State::kNone;
  pipeline_.EndUse();
  if (said == "COMMIT") return SqlRows();
  SqlFailure failure;
  failure.sqlstate = "25P02";
  failure.message = absl::StrCat("the database answered COMMIT with ", said);
  return failure;
}

void PostgresSession::RollBack() {
  state_ = State::kNone;
  pipeline_.EndUse();
  sent_.reset();
  deferred_.clear();
}

// For a call outside of a transaction.
absl::Status PostgresSession::Idle() {
  RollBack();
  pipeline_.link().CloseIfEnded();
  return pipeline_.Connect();
}

absl::StatusOr<Result> PostgresSession::Execute(const Statement& statement) {
  return RetryConflicts([&] { return ExecuteOnce(statement); });
}

absl::StatusOr<Result> PostgresSession::ExecuteOnce(const Statement& statement) {
  RETURN_IF_ERROR(Idle());
  Calls calls;
  calls.push_back(CallOf(statement));
  ASSIGN_OR_RETURN(const PostgresTrip trip, pipeline_.Run(calls, PostgresLimits()));
  pipeline_.EndUse();
  if (trip.stopped) return TimeIsOver();
  if (trip.error == nullptr) return ToResult(trip.results.back().get());
  const SqlFailure failure = FailureOf(trip.error.get());
  return PostgresError(failure.sqlstate, failure.message);
}

absl::Status PostgresSession::RunScript(const std::string& sql) {
  RETURN_IF_ERROR(Idle());
  PGconn* connection = pipeline_.link().get();
  const PostgresResult result(PQexec(connection, sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  pipeline_.EndUse();
  if (IsOk(result.get()) || status == PGRES_EMPTY_QUERY) return absl::OkStatus();
  const SqlFailure failure = FailureOf(result.get());
  return PostgresError(failure.sqlstate, failure.sqlstate.empty() ? PQerrorMessage(connection) : failure.message);
}

}  // namespace dbos::sidecar
