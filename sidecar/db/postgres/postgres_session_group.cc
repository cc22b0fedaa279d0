// RunGroup: several statements, each with its record, and one COMMIT for all of them.
#include <string_view>
#include <utility>
#include <variant>

#include "sidecar/base/status.h"
#include "sidecar/db/postgres/joined_statement.h"
#include "sidecar/db/postgres/postgres_failure.h"
#include "sidecar/db/postgres/postgres_session.h"

namespace dbos::sidecar {
namespace {

// In milliseconds, of each statement: the others wait meanwhile. Who hits one is run again by himself, without it.
constexpr char kGroupLimits[] =
    "SELECT set_config('lock_timeout', '25', true), set_config('statement_timeout', '100', true)";

}  // namespace

bool PostgresSession::SendGroup(const std::vector<SqlGroupMember>& group) {
  if (!MaySend()) return false;
  auto question = Grouped(group);
  return std::holds_alternative<Question>(question) && SendHalf(std::get<Question>(std::move(question)));
}

// Or whose columns are not known, or was joined with its record in vain.
std::variant<PostgresSession::Question, std::size_t> PostgresSession::Grouped(
    const std::vector<SqlGroupMember>& group) {
  Question question = Opening();
  question.calls.push_back(PostgresCall(kGroupLimits).Kept());
  question.place.call = question.calls.size();
  for (std::size_t n = 0; n < group.size(); ++n) {
    const SqlGroupMember& member = group[n];
    const std::shared_ptr<const PostgresShape> shape = ShapeToJoin(*member.sql, *member.values);
    if (shape == nullptr || !shape->joins) return n;
    const PostgresQuery& query = QueryOf(*member.record);
    question.calls.push_back(
        Join({*member.sql, *member.values, *shape, &query, member.record, limits_.rows_bytes_max}).call);
  }
  question.calls.push_back(PostgresCall("COMMIT").Kept());
  return question;
}

absl::StatusOr<SqlGroupOutcome> PostgresSession::RunGroup(const std::vector<SqlGroupMember>& group) {
  if (!sent_) {
    RETURN_IF_ERROR(Ready());
    auto question = Grouped(group);
    if (const auto* cannot = std::get_if<std::size_t>(&question)) {
      RollBack();
      return SqlGroupOutcome{{}, {}, *cannot};
    }
    sent_ = std::get<Question>(std::move(question));
  }
  Question question = *std::exchange(sent_, std::nullopt);
  ASSIGN_OR_RETURN(const PostgresTrip trip, Send(question.calls, Ends::kYes));
  SqlGroupOutcome outcome;
  if (trip.error == nullptr && std::string_view(PQcmdStatus(trip.results.back().get())) == "COMMIT") {
    for (std::size_t n = 0; n < group.size(); ++n) {
      const PGresult* result = trip.results[question.place.call + n].get();
      outcome.outcomes.emplace_back(PQgetvalue(result, 0, 0), static_cast<std::size_t>(PQgetlength(result, 0, 0)));
    }
  } else if (trip.error != nullptr) {
    outcome.failure = FailureOf(trip.error.get());
    const std::size_t failed = trip.results.size();
    const bool is_members = failed >= question.place.call && failed < question.place.call + group.size();
    if (is_members) outcome.failed = failed - question.place.call;
  }
  RollBack();  // of what went well nothing is open
  return outcome;
}

}  // namespace dbos::sidecar
