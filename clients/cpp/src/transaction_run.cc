#include "transaction_run.h"

#include <algorithm>
#include <utility>

#include <dbos/transaction.h>

#include "protocol_errors.h"
#include "replay.h"
#include "running_code.h"
#include "sql_wire.h"

namespace dbos::runtime {
namespace {

using std::chrono::milliseconds;

constexpr double kBackoffRate = 1.5;
constexpr double kWaitMsMax = 2000;
constexpr milliseconds kRecordTimeout{30'000};
constexpr milliseconds kGrace{5'000};  // for a sidecar that keeps to its limits, but answers late

// Whether the same request may succeed a moment later, whatever it holds.
bool IsTransient(const v1::ErrorDetail& refusal) {
  switch (refusal.reason()) {
    case v1::REASON_DATABASE_UNAVAILABLE:
    case v1::REASON_DRAINING:
    case v1::REASON_DISCONNECTED:
    case v1::REASON_INFLIGHT_LIMIT:
      return true;
    default:
      return refusal.retry() == v1::RETRY_CLASS_SAME_REQUEST || refusal.retry() == v1::RETRY_CLASS_AFTER_RECONNECT;
  }
}

// What is met by running the transaction again, while the operation's time lasts.
bool IsMetByTime(const v1::ErrorDetail& refusal) {
  return refusal.reason() == v1::REASON_TRANSACTION_TIMEOUT || refusal.reason() == v1::REASON_POOL_EXHAUSTED;
}

// Class 08: the connection to it.
bool LostDatabase(const SqlError& error) {
  return error.sqlstate().compare(0, 2, "08") == 0;
}

v1::BeginTransaction Begin(const TransactionCall& call, milliseconds timeout) {
  v1::BeginTransaction begin = EncodeBegin(call.options);
  begin.set_timeout_ms(timeout.count());
  if (call.step) *begin.mutable_step() = *call.step;
  return begin;
}

v1::ExecuteRequest ExecuteRequestOf(const TransactionCall& call, const v1::SqlStatement& statement,
                                    milliseconds timeout) {
  v1::ExecuteRequest request;
  *request.mutable_begin() = Begin(call, timeout);
  *request.mutable_statement() = statement;
  return request;
}

void CheckFits(const v1::SqlStatement& statement, const TransactionWorld& world) {
  if (statement.ByteSizeLong() + 1024 <= world.max_message_bytes()) return;
  throw PayloadTooLarge("the statement with its parameters has " + std::to_string(statement.ByteSizeLong()) +
                        " bytes, the limit is " + std::to_string(world.max_message_bytes()) +
                        " (Limits.max_message_bytes); write the data in several statements");
}

// The body once, in the marks of a transaction's body.
std::string CallBody(const detail::TransactionBody& body, TransactionTry& connection) {
  const RunningTransaction running;
  Transaction transaction(connection);
  return body(transaction);
}

}  // namespace

milliseconds TryBudget::left() const {
  const auto left = std::chrono::ceil<milliseconds>(until_ - std::chrono::steady_clock::now());
  return std::max(left, milliseconds(1));
}

milliseconds TryBudget::Next() {
  const double wait = wait_ms_ * (0.5 + world_.Random());
  wait_ms_ = std::min(wait_ms_ * kBackoffRate, kWaitMsMax);
  return milliseconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(wait)));
}

bool TryBudget::Pause() {
  const milliseconds wait = Next();
  if (std::chrono::steady_clock::now() + wait >= until_) return false;
  world_.Pause(wait);
  return true;
}

void TryBudget::PauseRegardless() {
  world_.Pause(Next());
}

StepRun::StepRun(const TransactionCall& call, TransactionWorld& world)
    : call_(call), world_(world), budget_(call.options, world) {
}

TransactionTry StepRun::MakeTry(milliseconds timeout) const {
  return TransactionTry({.door = call_.door,
                         .name = call_.name,
                         .begin = Begin(call_, timeout),
                         .max_message_bytes = world_.max_message_bytes(),
                         .stop = world_.Stop()});
}

StepRun::Result StepRun::Run(const detail::TransactionBody& body) {
  for (;;) {
    if (std::optional<Result> result = Once(body)) return *std::move(result);
  }
}

std::optional<StepRun::Result> StepRun::Once(const detail::TransactionBody& body) {
  TransactionTry attempt = MakeTry(budget_.left());
  StoredOutcome outcome;
  try {
    outcome.text = CallBody(body, attempt);
  } catch (const ExecutionStopped&) {
    throw;  // the stream ends with `attempt`, and the transaction with it
  } catch (const TransactionInterrupted&) {
    outcome.failed = true;  // the try's end says why
  } catch (...) {
    outcome = FailedWith(RecordOf(std::current_exception()));
  }
  LimitOutcome(outcome, world_.max_payload_bytes());
  const TryEnd& end = outcome.failed ? attempt.RollBack(&outcome) : attempt.Commit(outcome);
  switch (end.kind) {
    case TryEnd::Kind::kEnded:
      if (!end.ended.has_outcome()) return Result{outcome};
      return Result{OutcomeOf(end.ended.outcome())};
    case TryEnd::Kind::kSqlError:
      return Record(FailedWith(end.error->record()));
    case TryEnd::Kind::kRestart:
      if (LostDatabase(*end.error)) {
        budget_.PauseRegardless();
        budget_.Restart();
        return std::nullopt;
      }
      if (budget_.Pause()) return std::nullopt;
      return Record(FailedWith(end.error->record()));
    case TryEnd::Kind::kRefused:
      return AfterRefusal(end.refusal,
                          outcome.text.empty() || !outcome.failed ? std::nullopt : std::make_optional(outcome));
    case TryEnd::Kind::kLost:
    case TryEnd::Kind::kUncertain:
      world_.AwaitSidecar();
      budget_.Restart();
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<StepRun::Result> StepRun::AfterRefusal(const v1::ErrorDetail& refusal,
                                                     const std::optional<StoredOutcome>& failure) {
  if (IsMetByTime(refusal)) {
    if (budget_.Pause()) return std::nullopt;
    return Record(FailedWith(RecordOf(refusal.reason(), refusal.message())));
  }
  if (IsTransient(refusal)) {
    world_.AwaitSidecar();
    budget_.PauseRegardless();  // it may last for hours, and many may wait
    budget_.Restart();
    return std::nullopt;
  }
  const StoredOutcome refused = FailedWith(RecordOf(refusal.reason(), refusal.message()));
  // No such sidecar can have committed it before.
  const bool impossible =
      refusal.reason() == v1::REASON_NO_APPLICATION_DATABASE || refusal.reason() == v1::REASON_UNSUPPORTED;
  if (impossible) return Result{.outcome = refused, .recorded = false};
  if (IsCallersFault(refusal)) return Record(failure.value_or(refused));
  world_.Refused(refusal);
  return std::nullopt;
}

StepRun::Result StepRun::Record(const StoredOutcome& failure) {
  for (;;) {
    TransactionTry attempt = MakeTry(kRecordTimeout);
    const TryEnd& end = attempt.RollBack(&failure);
    switch (end.kind) {
      case TryEnd::Kind::kEnded:
        if (!end.ended.has_outcome()) return {failure};
        return {OutcomeOf(end.ended.outcome())};
      case TryEnd::Kind::kLost:
      case TryEnd::Kind::kUncertain:
        world_.AwaitSidecar();
        break;
      case TryEnd::Kind::kRefused:
        if (!IsMetByTime(end.refusal) && !IsTransient(end.refusal)) world_.Refused(end.refusal);
        break;
      case TryEnd::Kind::kRestart:
        break;
      case TryEnd::Kind::kSqlError: {
        v1::ErrorDetail refusal;
        refusal.set_reason(v1::REASON_DATABASE_ERROR);
        refusal.set_message("the failure of the transaction cannot be recorded: " + end.error->message());
        world_.Refused(refusal);
      }
    }
    budget_.PauseRegardless();
  }
}

StepRun::Result StepRun::Execute(const v1::SqlStatement& statement) {
  CheckFits(statement, world_);
  for (;;) {
    const milliseconds timeout = budget_.left();
    const auto executed =
        call_.door.Execute(ExecuteRequestOf(call_, statement, timeout), timeout + kGrace, world_.Stop());
    if (executed.response) {
      const v1::ExecuteResponse& response = *executed.response;
      if (response.ended().has_outcome()) return {OutcomeOf(response.ended().outcome())};
      if (!response.has_sql_error()) throw Error("the sidecar answered a statement with no outcome");
      return Record(FailedWith(ToSqlError(response.sql_error(), call_.name).record()));
    }
    if (!executed.refusal) {
      world_.AwaitSidecar();
      budget_.Restart();
    } else if (std::optional<Result> result = AfterRefusal(*executed.refusal, std::nullopt)) {
      return *std::move(result);
    }
  }
}

OutsideRun::OutsideRun(const TransactionCall& call, TransactionWorld& world)
    : call_(call), world_(world), budget_(call.options, world) {
}

std::string OutsideRun::Run(const detail::TransactionBody& body) {
  for (;;) {
    if (std::optional<std::string> text = Once(body)) return *std::move(text);
  }
}

std::optional<std::string> OutsideRun::Once(const detail::TransactionBody& body) {
  TransactionTry attempt({.door = call_.door,
                          .name = call_.name,
                          .begin = Begin(call_, budget_.left()),
                          .max_message_bytes = world_.max_message_bytes(),
                          .stop = world_.Stop()});
  StoredOutcome outcome;
  std::exception_ptr error;
  try {
    outcome.text = CallBody(body, attempt);
  } catch (const TransactionInterrupted&) {
    if (!attempt.over()) throw;  // somebody else's
  } catch (...) {
    error = std::current_exception();
  }
  if (error != nullptr && !attempt.over()) {
    if (attempt.begun()) attempt.RollBack(nullptr);  // whatever comes of it, nothing is committed
    std::rethrow_exception(error);
  }
  if (attempt.empty()) return outcome.text;
  const TryEnd& end = attempt.Commit(outcome);
  switch (end.kind) {
    case TryEnd::Kind::kEnded:
      return outcome.text;
    case TryEnd::Kind::kSqlError:
      throw SqlError(*end.error);
    case TryEnd::Kind::kRestart:
      if (!budget_.Pause()) throw SqlError(*end.error);
      return std::nullopt;
    case TryEnd::Kind::kRefused:
      if (error != nullptr && IsCallersFault(end.refusal)) std::rethrow_exception(error);
      AfterRefusal(end.refusal);
      return std::nullopt;
    case TryEnd::Kind::kLost:
      AfterLoss();
      return std::nullopt;
    case TryEnd::Kind::kUncertain:
      throw TransactionInDoubt("the sidecar went away while the transaction was committed: it may have happened");
  }
  return std::nullopt;
}

void OutsideRun::AfterRefusal(const v1::ErrorDetail& refusal) {
  if (!(IsMetByTime(refusal) || IsTransient(refusal)) || !budget_.Pause()) ThrowIfRefused(refusal);
}

void OutsideRun::AfterLoss() {
  if (!budget_.Pause())
    throw SidecarUnavailable("the sidecar did not answer, or went away during the transaction; nothing was done");
}

std::string OutsideRun::Execute(const v1::SqlStatement& statement) {
  CheckFits(statement, world_);
  for (;;) {
    const milliseconds timeout = budget_.left();
    const auto executed =
        call_.door.Execute(ExecuteRequestOf(call_, statement, timeout), timeout + kGrace, world_.Stop());
    if (executed.response) {
      const v1::ExecuteResponse& response = *executed.response;
      if (response.has_sql_error()) throw ToSqlError(response.sql_error(), call_.name);
      return response.ended().outcome().value().data();
    }
    if (executed.refusal) {
      AfterRefusal(*executed.refusal);
    } else if (call_.options.read_only || !executed.sent) {
      AfterLoss();
    } else {
      throw TransactionInDoubt("the sidecar went away during the statement, which may have been committed: " +
                               executed.why_lost);
    }
  }
}

}  // namespace dbos::runtime
