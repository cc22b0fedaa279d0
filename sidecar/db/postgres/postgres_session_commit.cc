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
  could_group_ = false;
  if (!sent_) {  // what was sent goes on, though the link was lost since: then it is a commit in doubt
    RETURN_IF_ERROR(Ready());
    const std::shared_ptr<const PostgresShape> shape = ShapeToJoin(sql, values);
    if (shape == nullptr || !shape->joins) return RunApart(sql, values, record, shape.get());
    sent_ = Joined(sql, values, record, *shape);
  }
  ASSIGN_OR_RETURN(std::optional<SqlOutcome> outcome, RunJoined(*std::exchange(sent_, std::nullopt)));
  if (outcome) {
    could_group_ = record != nullptr;
    return *std::move(outcome);
  }
  const std::shared_ptr<const PostgresShape> shape = ShapeToJoin(sql, values);
  catalog_->ForgetShape(PostgresCall(sql, values).Key());
  return RunApart(sql, values, record, shape.get());
}

// What the statement returns, as far as that is known; null where it cannot be part of another.
std::shared_ptr<const PostgresShape> PostgresSession::ShapeToJoin(const NamedSql& sql, const SqlValues& values) {
  if (state_ != State::kBegun || !CanJoin(sql) || !pipeline_.dialect().joins_statements) return nullptr;
  std::shared_ptr<const PostgresShape> shape = catalog_->Shape(PostgresCall(sql, values).Key());
  if (shape == nullptr && !sql.returns_rows) return std::make_shared<const PostgresShape>();
  return shape;
}

// Where the session's own transactions are of the kind that is asked for, the statement is one by itself.
PostgresSession::Question PostgresSession::Joined(const NamedSql& sql, const SqlValues& values, const Statement* record,
                                                  const PostgresShape& shape) {
  const PostgresQuery* query = record == nullptr ? nullptr : &QueryOf(*record);
  JoinedStatement joined = Join({sql, values, shape, query, record, limits_.rows_bytes_max});
  const bool alone = IsOfTheSessionsKind();
  Question question;
  if (!alone) question = Opening();
  question.place = {&sql, question.calls.size(), joined.offset, joined.first, joined.size};
  question.calls.push_back(std::move(joined.call));
  if (!alone) question.calls.push_back(PostgresCall("COMMIT").Kept());
  return question;
}

absl::StatusOr<std::optional<SqlOutcome>> PostgresSession::RunJoined(Question question) {
  ASSIGN_OR_RETURN(const PostgresTrip trip, Send(question.calls, Ends::kYes));
  if (trip.error == nullptr) {
    const PGresult* result = trip.results[question.place.call].get();
    std::string outcome(PQgetvalue(result, 0, 0), static_cast<std::size_t>(PQgetlength(result, 0, 0)));
    RollBack();  // nothing is open
    return SqlOutcome(std::move(outcome));
  }
  const SqlFailure failure = Failed(trip, question);
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
  Question question = Running(sql, values);
  const std::string key = question.calls.back().Key();
  ASSIGN_OR_RETURN(PostgresTrip trip, Send(question.calls, Ends::kNo));
  if (trip.error != nullptr) {
    const bool again = trip.error_is_stale && begins;
    SqlFailure failure = Failed(trip, question);
    RollBack();
    if (!again) return failure;
    state_ = State::kBegun;
    return RunApart(sql, values, record, tried);
  }
  PostgresShape shape;
  shape.types = trip.types;
  ASSIGN_OR_RETURN(SqlAnswer answer, RowsOf(std::move(trip)));
  shape.columns = std::get<SqlRows>(answer).columns;
  ASSIGN_OR_RETURN(SqlOutcome outcome, OutcomeOr(std::get<SqlRows>(answer)));
  if (std::holds_alternative<SqlFailure>(outcome)) return outcome;
  Question end;
  if (record != nullptr) {
    PostgresCall call = CallOf(*record);
    const std::string parameter = absl::StrCat("CAST($", call.count() + 1, " AS text)");
    call.set_text(absl::StrReplaceAll(call.text(), {{"{result}", parameter}}));
    call.AddText(std::get<std::string>(outcome));
    end.calls.push_back(std::move(call));
  }
  end.calls.push_back(PostgresCall("COMMIT").Kept());
  ASSIGN_OR_RETURN(answer, CommitWith(std::move(end)));
  if (auto* failure = std::get_if<SqlFailure>(&answer)) return std::move(*failure);
  const bool in_vain = tried != nullptr && tried->types == shape.types;
  shape.joins = shape.types.size() <= kJoinedColumnsMax && !in_vain && sql.returns_rows == !shape.types.empty();
  if (CanJoin(sql)) catalog_->SetShape(key, std::move(shape));
  return outcome;
}

}  // namespace dbos::sidecar
