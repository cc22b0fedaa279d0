// RunAndCommit: a statement, its record and COMMIT in as few round trips as can be.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "sidecar/base/status.h"
#include "sidecar/db/postgres/joined_statement.h"
#include "sidecar/db/postgres/postgres_failure.h"
#include "sidecar/db/postgres/postgres_session.h"
#include "sidecar/db/session_answers.h"

namespace dbos::sidecar {

absl::StatusOr<SqlOutcome> PostgresSession::RunAndCommit(const NamedSql& sql, const SqlValues& values,
                                                         const Statement* record) {
  RETURN_IF_ERROR(Ready());
  const std::string key = PostgresCall(sql, values).Key();
  std::shared_ptr<const PostgresShape> shape = catalog_->Shape(key);
  const bool may_join = state_ == State::kBegun && CanJoin(sql) && pipeline_.dialect().joins_statements;
  if (shape == nullptr && !sql.returns_rows) shape = std::make_shared<const PostgresShape>();
  if (!may_join || shape == nullptr || !shape->joins) return RunApart(sql, values, record, shape.get());
  ASSIGN_OR_RETURN(std::optional<SqlOutcome> outcome, RunJoined(sql, values, record, *shape));
  if (outcome) return *std::move(outcome);
  catalog_->ForgetShape(key);
  return RunApart(sql, values, record, shape.get());
}

// Where the session's own transactions are of the kind that is asked for, the statement is one by itself.
absl::StatusOr<std::optional<SqlOutcome>> PostgresSession::RunJoined(const NamedSql& sql, const SqlValues& values,
                                                                     const Statement* record,
                                                                     const PostgresShape& shape) {
  const PostgresQuery* query = record == nullptr ? nullptr : &QueryOf(*record);
  JoinedStatement joined = Join({sql, values, shape, query, record, limits_.rows_bytes_max});
  Place place = {&sql, 0, joined.offset, joined.first, joined.size};
  Calls calls;
  const bool alone = mode_.isolation == Isolation::kSerializable && !mode_.read_only && !mode_.deferrable &&
                     !pipeline_.through_pooler();
  if (!alone) calls = Opening();
  place.call = calls.size();
  calls.push_back(std::move(joined.call));
  if (!alone) calls.push_back(PostgresCall("COMMIT").Kept());
  ASSIGN_OR_RETURN(const PostgresTrip trip, Send(calls, Ends::kYes));
  if (trip.error == nullptr) {
    const PGresult* result = trip.results[place.call].get();
    std::string outcome(PQgetvalue(result, 0, 0), static_cast<std::size_t>(PQgetlength(result, 0, 0)));
    RollBack();  // nothing is open
    return SqlOutcome(std::move(outcome));
  }
  const SqlFailure failure = Failed(trip, calls, place);
  RollBack();
  if (!trip.error_is_stale && !MayComeOfJoining(failure.sqlstate)) return SqlOutcome(failure);
  state_ = State::kBegun;
  return std::optional<SqlOutcome>();
}

// Rolls back where there is none.
absl::StatusOr<SqlOutcome> PostgresSession::OutcomeOr(const SqlRows& rows) {
  absl::StatusOr<SqlOutcome> outcome = OutcomeOf(rows, limits_.rows_bytes_max);
  if (!outcome.ok() || std::holds_alternative<SqlFailure>(*outcome)) RollBack();
  return outcome;
}

absl::StatusOr<SqlOutcome> PostgresSession::RunApart(const NamedSql& sql, const SqlValues& values,
                                                     const Statement* record, const PostgresShape* tried) {
  const bool begins = state_ == State::kBegun;
  Calls calls = Opening();
  calls.push_back(PostgresCall(sql, values).Kept().WithRows());
  const std::string key = calls.back().Key();
  ASSIGN_OR_RETURN(PostgresTrip trip, Send(calls, Ends::kNo));
  if (trip.error != nullptr) {
    const bool again = trip.error_is_stale && begins;
    SqlFailure failure = Failed(trip, calls, {&sql, calls.size() - 1});
    RollBack();
    if (!again) return failure;
    state_ = State::kBegun;
    return RunApart(sql, values, record, tried);
  }
  PostgresShape shape;
  shape.types = trip.types;
  ASSIGN_OR_RETURN(SqlAnswer answer, Rows(std::move(trip)));
  shape.columns = std::get<SqlRows>(answer).columns;
  ASSIGN_OR_RETURN(SqlOutcome outcome, OutcomeOr(std::get<SqlRows>(answer)));
  if (std::holds_alternative<SqlFailure>(outcome)) return outcome;
  calls.clear();
  if (record != nullptr) {
    PostgresCall call = CallOf(*record);
    const std::string parameter = absl::StrCat("CAST($", call.count() + 1, " AS text)");
    call.set_text(absl::StrReplaceAll(call.text(), {{"{result}", parameter}}));
    call.AddText(std::get<std::string>(outcome));
    calls.push_back(std::move(call));
  }
  ASSIGN_OR_RETURN(answer, CommitWith(std::move(calls)));
  if (auto* failure = std::get_if<SqlFailure>(&answer)) return std::move(*failure);
  const bool in_vain = tried != nullptr && tried->types == shape.types;
  shape.joins = shape.types.size() <= kJoinedColumnsMax && !in_vain && sql.returns_rows == !shape.types.empty();
  if (CanJoin(sql)) catalog_->SetShape(key, std::move(shape));
  return outcome;
}

}  // namespace dbos::sidecar
