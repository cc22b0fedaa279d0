#include "transaction_try.h"

#include <utility>

#include "ids.h"
#include "protocol_errors.h"
#include "sql_wire.h"

namespace dbos::runtime {
namespace {

// The sidecar keeps to the transaction's limits. One that does not answer for this much longer is taken for gone.
constexpr std::chrono::seconds kGrace{5};

// Of statements that wait for the next request. The sidecar takes as many at a time.
constexpr int kDeferredMax = 100;
constexpr std::size_t kDeferredBytesMax = 1 << 20;

// Of a deferred statement that failed; of others empty.
std::string_view TextOfDeferred(const v1::TransactRequest& request, const v1::SqlError& error) {
  const auto number = static_cast<int>(error.deferred());
  const auto& statements = request.deferred().statements();
  return number < 1 || number > statements.size() ? std::string_view() : statements[number - 1].sql();
}

v1::Savepoint::Action ToWire(detail::SavepointAction action) {
  switch (action) {
    case detail::SavepointAction::kSet:
      return v1::Savepoint::ACTION_SET;
    case detail::SavepointAction::kRelease:
      return v1::Savepoint::ACTION_RELEASE;
    case detail::SavepointAction::kRollBack:
      break;
  }
  return v1::Savepoint::ACTION_ROLL_BACK;
}

}  // namespace

TransactionTry::TransactionTry(Settings settings) : settings_(std::move(settings)) {
}

void TransactionTry::Defer(std::string_view sql, const SqlParams& params) {
  if (end_) ThrowOver();
  v1::SqlStatement statement;
  EncodeStatement(sql, params, 0, statement);
  const std::size_t bytes = statement.ByteSizeLong();
  if (deferred_.size() == kDeferredMax || deferred_bytes_ + bytes > kDeferredBytesMax) SendDeferred();
  deferred_.Add(std::move(statement));
  deferred_bytes_ += bytes;
  if (bytes > kDeferredBytesMax) SendDeferred();
}

// They travel with the last one of them.
void TransactionTry::SendDeferred() {
  if (deferred_.empty()) return;
  v1::TransactRequest request;
  request.mutable_statement()->Swap(deferred_.Mutable(deferred_.size() - 1));
  deferred_.RemoveLast();
  AskOf(request);
  if (response_.has_sql_error()) {
    std::string_view text = TextOfDeferred(request, response_.sql_error());
    if (text.empty()) text = AskedBy(request).statement().sql();
    throw ToSqlError(response_.sql_error(), settings_.name, text);
  }
}

void TransactionTry::DropDeferred() {
  deferred_.Clear();
  deferred_bytes_ = 0;
}

Rows TransactionTry::Query(std::string_view sql, const SqlParams& params) {
  v1::TransactRequest request;
  EncodeStatement(sql, params, 0, *request.mutable_statement());
  return AskForRows(request).rows;
}

RowsPage TransactionTry::OpenCursor(std::string_view sql, const SqlParams& params, std::uint32_t page_rows) {
  v1::TransactRequest request;
  EncodeStatement(sql, params, page_rows, *request.mutable_statement());
  ++cursor_;
  return AskForRows(request);
}

RowsPage TransactionTry::Fetch(std::uint64_t cursor, std::uint32_t page_rows) {
  if (cursor != cursor_) throw InvalidArgument("a transaction has one stream at a time: another one was opened since");
  v1::TransactRequest request;
  request.mutable_fetch()->set_page_rows(page_rows);
  return AskForRows(request);
}

RowsPage TransactionTry::AskForRows(v1::TransactRequest& request) {
  v1::TransactResponse& response = Ask(request);
  const bool more = response.rows().more();
  return {.rows = Rows(DecodeRowSet(*response.mutable_rows())), .more = more, .cursor = cursor_};
}

void TransactionTry::Savepoint(detail::SavepointAction action) {
  if (action == detail::SavepointAction::kRollBack) DropDeferred();  // it was to run within the savepoint
  v1::TransactRequest request;
  request.mutable_savepoint()->set_action(ToWire(action));
  Ask(request);
}

const TryEnd& TransactionTry::Commit(const StoredOutcome& result) {
  if (end_) return *end_;
  v1::TransactRequest request;
  v1::CommitTransaction& commit = *request.mutable_commit();
  if (settings_.begin.has_step()) {
    commit.mutable_result()->set_data(result.text);
    commit.set_completed_at_ms(NowMs());
  }
  return Finish(request);
}

const TryEnd& TransactionTry::RollBack(const StoredOutcome* failure) {
  if (end_) return *end_;
  DropDeferred();
  v1::TransactRequest request;
  v1::RollbackTransaction& rollback = *request.mutable_rollback();
  if (failure != nullptr) {
    rollback.mutable_failure()->set_data(failure->text);
    rollback.set_completed_at_ms(NowMs());
  }
  return Finish(request);
}

const TryEnd& TransactionTry::Finish(v1::TransactRequest& request) {
  const bool commits = request.has_commit();
  if (!Exchange(request)) {
    End({.kind = commits && last_was_sent_ ? TryEnd::Kind::kUncertain : TryEnd::Kind::kLost});
  } else if (response_.has_sql_error()) {
    End({.kind = TryEnd::Kind::kSqlError, .error = ErrorOf(request)});
  } else if (!TakeEnd()) {
    throw Error("the sidecar answered the end of a transaction with something else");
  }
  return *end_;
}

v1::TransactResponse& TransactionTry::Ask(v1::TransactRequest& request) {
  if (end_) ThrowOver();
  if (BytesOf(request) + deferred_bytes_ > settings_.max_message_bytes) SendDeferred();
  AskOf(request);
  if (response_.has_sql_error()) throw ErrorOf(request);
  return response_;
}

void TransactionTry::AskOf(v1::TransactRequest& request) {
  if (!Exchange(request)) End({.kind = TryEnd::Kind::kLost});
  if (end_ || TakeEnd()) ThrowOver();
}

SqlError TransactionTry::ErrorOf(const v1::TransactRequest& request) const {
  const v1::SqlError& error = response_.sql_error();
  return ToSqlError(error, settings_.name, TextOfDeferred(request, error));
}

std::size_t TransactionTry::BytesOf(const v1::TransactRequest& request) const {
  return request.ByteSizeLong() + settings_.begin.ByteSizeLong() + 1024;  // and what is around it
}

bool TransactionTry::Exchange(v1::TransactRequest& request) {
  const std::size_t bytes = BytesOf(request);
  if (bytes > settings_.max_message_bytes) {
    throw PayloadTooLarge("the statement with its parameters has " + std::to_string(bytes) + " bytes, the limit is " +
                          std::to_string(settings_.max_message_bytes) +
                          " (Limits.max_message_bytes); write the data in several statements");
  }
  const bool first = stream_ == nullptr;
  if (first) {
    *request.mutable_begin() = settings_.begin;
    // What has no record must not be committed by two streams.
    const bool only_once = request.has_commit() && !settings_.begin.has_step();
    stream_ = only_once ? settings_.door.New() : settings_.door.Take();
    deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(settings_.begin.timeout_ms()) + kGrace;
  }
  if (!deferred_.empty()) {
    v1::TransactRequest whole;
    whole.mutable_deferred()->mutable_statements()->Swap(&deferred_);
    whole.mutable_deferred()->mutable_request()->Swap(&request);
    request.Swap(&whole);
  }
  DropDeferred();
  const bool stale = first && stream_->used();
  if (ExchangeOnce(request)) return true;
  if (!stale || settings_.stop.stop_requested()) return RefusedByStatus();
  // An idle stream to a sidecar that has gone away since. Nothing was committed by it: ask again on a new one.
  settings_.door.DropIdle();
  stream_ = settings_.door.New();
  return ExchangeOnce(request) || RefusedByStatus();
}

bool TransactionTry::RefusedByStatus() {
  v1::ErrorDetail refusal = stream_->TakeRefusal();
  last_was_sent_ = stream_->sent();
  stream_.reset();
  if (refusal.reason() == v1::REASON_UNSPECIFIED) return false;
  response_.Clear();
  *response_.mutable_refused() = std::move(refusal);
  return true;
}

bool TransactionTry::ExchangeOnce(const v1::TransactRequest& request) {
  const std::stop_callback cancel(settings_.stop, [this] { stream_->Cancel(); });
  return stream_->Exchange(request, response_, deadline_);
}

bool TransactionTry::TakeEnd() {
  if (response_.has_ended()) {
    End({.kind = TryEnd::Kind::kEnded, .ended = std::move(*response_.mutable_ended())});
  } else if (response_.has_restart()) {
    v1::SqlError error;
    error.set_sqlstate(response_.restart().sqlstate());
    error.set_message(response_.restart().message());
    End({.kind = TryEnd::Kind::kRestart, .error = ToSqlError(error, settings_.name)});
  } else if (response_.has_refused()) {
    End({.kind = TryEnd::Kind::kRefused, .refusal = std::move(*response_.mutable_refused())});
  } else {
    return false;
  }
  return true;
}

void TransactionTry::End(TryEnd end) {
  const bool lost = end.kind == TryEnd::Kind::kLost || end.kind == TryEnd::Kind::kUncertain;
  if (lost) {
    settings_.door.DropIdle();
  } else if (stream_ != nullptr) {
    settings_.door.Give(std::move(stream_));
  }
  end_ = std::move(end);
}

void TransactionTry::ThrowOver() const {
  if (end_->kind == TryEnd::Kind::kRefused && IsCallersFault(end_->refusal)) ThrowIfRefused(end_->refusal);
  throw TransactionInterrupted("the transaction is over");
}

}  // namespace dbos::runtime
