// The cursor of PostgresSession: rows are fetched a few at first, and as many at a time as their size allows then.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

#include "sidecar/db/postgres/postgres_session.h"
#include "sidecar/db/session_answers.h"

namespace dbos::sidecar {
namespace {

constexpr char kCursor[] = "dbos_cursor";

// One FETCH may bring four messages' worth where rows have become larger; what one message cannot hold waits.
constexpr std::size_t kAheadMessages = 4;
constexpr std::uint32_t kFetchGrowth = 4;
constexpr std::uint32_t kFetchMax = 256;

}  // namespace

absl::StatusOr<SqlAnswer> PostgresSession::OpenCursor(const NamedSql& sql, const SqlValues& values,
                                                      std::uint32_t rows) {
  if (state_ == State::kAborted) return Aborted();
  RETURN_IF_ERROR(Ready());
  Question question = Opening();
  if (cursor_) question.calls.emplace_back(absl::StrCat("CLOSE ", kCursor));
  const std::string declare = absl::StrCat("DECLARE ", kCursor, " NO SCROLL CURSOR FOR ");
  PostgresCall call(sql, values);
  call.set_text(absl::StrCat(declare, call.text()));
  question.place = {&sql, question.calls.size(), declare.size()};
  question.calls.push_back(std::move(call));
  ASSIGN_OR_RETURN(PostgresTrip trip, Send(question.calls, Ends::kNo));
  if (trip.results.size() >= question.place.call) cursor_.reset();  // the one before was closed
  if (trip.error != nullptr) {
    SqlFailure failure = Failed(trip, question);
    if (!sql.is_query && failure.deferred == 0)
      failure.hint = "A cursor holds SELECT, VALUES, or a WITH that writes nothing.";
    return failure;
  }
  cursor_.emplace();
  cursor_->depth = savepoints_;
  return Fetch(rows);
}

absl::StatusOr<SqlAnswer> PostgresSession::Fetch(std::uint32_t rows) {
  if (state_ == State::kNone) return NoTransaction();
  if (state_ == State::kAborted) return Aborted();
  if (!cursor_) return NoCursor();
  const bool may_have_enough = !cursor_->ahead.empty() || cursor_->ended;
  if (may_have_enough && !deferred_.empty()) {
    ASSIGN_OR_RETURN(std::optional<SqlFailure> failure, RunDeferred());
    if (failure) return *std::move(failure);
  }
  CursorPage size(rows, limits_.rows_bytes_max);
  SqlRows page;
  do {
    if (cursor_->ahead.empty() && !cursor_->ended) {
      ASSIGN_OR_RETURN(std::optional<SqlFailure> failure, FetchAhead(size.rows_left()));
      if (failure) return *std::move(failure);
    }
    if (!TakeAhead(size, page)) return End(TooManyRows(limits_.rows_bytes_max));
  } while (!size.is_full() && cursor_->ahead.empty() && !cursor_->ended);
  page.columns = cursor_->columns;
  page.affected = rows - size.rows_left();
  page.more = !cursor_->ahead.empty() || !cursor_->ended;
  return page;
}

absl::StatusOr<std::optional<SqlFailure>> PostgresSession::RunDeferred() {
  Question question = Opening();
  ASSIGN_OR_RETURN(const PostgresTrip trip, Send(question.calls, Ends::kNo));
  if (trip.error != nullptr) return Failed(trip, question);
  return std::nullopt;
}

absl::StatusOr<std::optional<SqlFailure>> PostgresSession::FetchAhead(std::uint32_t rows_max) {
  const std::uint32_t most = std::min(rows_max, cursor_->fetch_max);
  Question question = Opening();
  question.calls.push_back(PostgresCall(absl::StrCat("FETCH FORWARD ", most, " FROM ", kCursor)).With(Rows::kTaken));
  const std::size_t message_bytes = limits_.rows_bytes_max;
  limits_.rows_bytes_max *= kAheadMessages;
  absl::StatusOr<PostgresTrip> trip = Send(question.calls, Ends::kNo);
  limits_.rows_bytes_max = message_bytes;
  RETURN_IF_ERROR(trip.status());
  if (trip->error != nullptr) return Failed(*trip, question);
  ASSIGN_OR_RETURN(SqlAnswer answer, RowsOf(*std::move(trip)));
  SqlRows& rows = std::get<SqlRows>(answer);
  cursor_->ended = rows.affected < most;
  cursor_->columns = std::move(rows.columns);
  cursor_->ahead = std::move(rows.cells);
  const std::size_t row_bytes = BytesOf(cursor_->ahead) / most + 1;
  const std::size_t enough = CursorPage::EnoughBytes(message_bytes) / row_bytes;
  const std::uint32_t grown = std::min(most * kFetchGrowth, kFetchMax);
  cursor_->fetch_max = static_cast<std::uint32_t>(std::clamp<std::size_t>(enough, 1, grown));
  return std::nullopt;
}

// False: one row is more than a message can hold.
bool PostgresSession::TakeAhead(CursorPage& size, SqlRows& page) {
  auto& [depth, fetch_max, ended, columns, ahead, taken] = *cursor_;
  while (taken < ahead.size()) {
    const std::span row = std::span(ahead).subspan(taken, columns.size());
    const std::size_t bytes = BytesOf(row);
    if (bytes > limits_.rows_bytes_max) return false;
    if (!size.Takes(bytes)) return true;
    page.cells.insert(page.cells.end(), std::move_iterator(row.begin()), std::move_iterator(row.end()));
    taken += row.size();
  }
  ahead.clear();
  taken = 0;
  return true;
}

}  // namespace dbos::sidecar
