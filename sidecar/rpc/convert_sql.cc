#include "sidecar/rpc/convert_sql.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "sidecar/base/utf8.h"
#include "sidecar/rpc/checker.h"
#include "sidecar/rpc/convert.h"
#include "sidecar/rpc/errors.h"
#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {
namespace {

using Type = SqlValue::Type;

constexpr std::int64_t kPageRowsMax = 100'000;
constexpr int kArrayDepthMax = 6;  // PostgreSQL's
constexpr int kDeferredMax = 100;  // a session keeps more prepared statements than one round trip has

Error CheckBegin(const v1::BeginTransaction& begin) {
  Checker checker;
  if (begin.has_step()) {
    const v1::TransactionStep& step = begin.step();
    checker.Execution(step.execution()).Range("step.step_id", step.step_id(), 0, INT32_MAX);
    checker.Id("step.name", step.name()).Range("step.started_at_ms", step.started_at_ms(), 0, kTimeMsMax);
  }
  checker.Range("begin.isolation", begin.isolation(), 0, v1::ISOLATION_LEVEL_READ_COMMITTED);
  checker.Range("begin.timeout_ms", begin.timeout_ms(), 0, absl::ToInt64Milliseconds(kTransactionTimeoutMax));
  checker.Range("begin.idle_timeout_ms", begin.idle_timeout_ms(), 0, absl::ToInt64Milliseconds(kTransactionIdleMax));
  Error error = checker.Take();
  const bool serializable = begin.isolation() <= v1::ISOLATION_LEVEL_SERIALIZABLE;
  if (error.ok() && begin.deferrable() && !(begin.read_only() && serializable)) {
    error = {Reason::kInvalidRequest,
             "begin.deferrable: only a SERIALIZABLE transaction that is read_only can wait for a safe snapshot"};
  }
  return error;
}

bool IsSound(const v1::SqlValue& value, int depth) {
  switch (value.value_case()) {
    case v1::SqlValue::kText:
      return IsStorableText(value.text());
    case v1::SqlValue::kNumeric:
      return IsStorableText(value.numeric());
    case v1::SqlValue::kTimestamptz:
      return IsStorableText(value.timestamptz());
    case v1::SqlValue::kDate:
      return IsStorableText(value.date());
    case v1::SqlValue::kUuid:
      return IsStorableText(value.uuid());
    case v1::SqlValue::kJson:
      return IsStorableText(value.json());
    case v1::SqlValue::kArray:
      if (depth == kArrayDepthMax) return false;
      for (const v1::SqlValue& item : value.array().items()) {
        if (!IsSound(item, depth + 1)) return false;
      }
      return true;
    default:
      return true;
  }
}

Error CheckStatement(const v1::SqlStatement& statement) {
  if (!IsStorableText(statement.sql())) {
    return {Reason::kInvalidRequest, "statement.sql must be UTF-8 without NUL bytes: encode it"};
  }
  Checker checker;
  checker.Range("statement.sql (bytes)", static_cast<std::int64_t>(statement.sql().size()), 1, kSqlBytesMax);
  checker.Range("statement.parameters", statement.parameters_size(), 0, kSqlParametersMax);
  checker.Range("statement.page_rows", statement.page_rows(), 0, kPageRowsMax);
  for (const v1::SqlParameter& parameter : statement.parameters()) {
    checker.Id("statement.parameters.name", parameter.name());
    if (Error error = checker.Take(); !error.ok()) return error;
    if (IsSound(parameter.value(), 0)) continue;
    return {Reason::kInvalidRequest,
            "parameter \"" + parameter.name() +
                "\": text must be UTF-8 without NUL bytes, arrays nested at most 6 deep; bytes go into bytea"};
  }
  return checker.Take();
}

int CommandsIn(const v1::TransactRequest& request) {
  return int{request.has_statement()} + int{request.has_fetch()} + int{request.has_savepoint()} +
         int{request.has_commit()} + int{request.has_rollback()};
}

Error CheckDeferred(const v1::TransactRequest& whole) {
  const v1::DeferredStatements& deferred = whole.deferred();
  const v1::TransactRequest& request = deferred.request();
  if (whole.has_begin() || CommandsIn(whole) > 0 || request.has_deferred()) {
    return {Reason::kInvalidRequest, "deferred: the rest of the request goes into deferred.request"};
  }
  if (CommandsIn(request) != 1 || request.has_rollback()) {
    return {Reason::kInvalidRequest, "deferred.request: has a statement, fetch, savepoint or commit"};
  }
  Checker checker;
  checker.Range("deferred.statements", deferred.statements_size(), 1, kDeferredMax);
  for (const v1::SqlStatement& statement : deferred.statements()) {
    if (Error error = CheckStatement(statement); !error.ok()) return {error.reason, "deferred: " + error.message};
    checker.Range("deferred.statements.page_rows", statement.page_rows(), 0, 0);
  }
  return checker.Take();
}

template <typename Number>
std::string Decimal(Number number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), number).ptr;
  return {text, end};
}

std::string NumberText(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return Decimal(number);
}

SqlValue TakeValue(v1::SqlValue& from) {
  switch (from.value_case()) {
    case v1::SqlValue::kBoolean:
      return {Type::kBoolean, from.boolean() ? "true" : "false", {}};
    case v1::SqlValue::kInteger:
      return {Type::kInteger, Decimal(from.integer()), {}};
    case v1::SqlValue::kNumber:
      return {Type::kNumber, NumberText(from.number()), {}};
    case v1::SqlValue::kText:
      return {Type::kText, std::move(*from.mutable_text()), {}};
    case v1::SqlValue::kNumeric:
      return {Type::kNumeric, std::move(*from.mutable_numeric()), {}};
    case v1::SqlValue::kBytea:
      return {Type::kBytea, std::move(*from.mutable_bytea()), {}};
    case v1::SqlValue::kTimestamptz:
      return {Type::kTimestamptz, std::move(*from.mutable_timestamptz()), {}};
    case v1::SqlValue::kDate:
      return {Type::kDate, std::move(*from.mutable_date()), {}};
    case v1::SqlValue::kUuid:
      return {Type::kUuid, std::move(*from.mutable_uuid()), {}};
    case v1::SqlValue::kJson:
      return {Type::kJson, std::move(*from.mutable_json()), {}};
    case v1::SqlValue::kArray:
      break;
    case v1::SqlValue::VALUE_NOT_SET:
      return {};
  }
  SqlValue array{Type::kArray, "", {}};
  for (v1::SqlValue& item : *from.mutable_array()->mutable_items()) array.items.push_back(TakeValue(item));
  return array;
}

SqlCommand TakeCommand(v1::SqlStatement& from) {
  SqlCommand command;
  command.sql = std::move(*from.mutable_sql());
  command.page_rows = from.page_rows();
  for (v1::SqlParameter& parameter : *from.mutable_parameters()) {
    command.parameters.push_back({std::move(*parameter.mutable_name()), TakeValue(*parameter.mutable_value())});
  }
  return command;
}

BeginRequest TakeBegin(v1::BeginTransaction& from) {
  BeginRequest begin;
  if (from.has_step()) {
    v1::TransactionStep& step = *from.mutable_step();
    begin.step = TransactionStep{TakeExecution(*step.mutable_execution()), step.step_id(),
                                 std::move(*step.mutable_name()), step.started_at_ms()};
  }
  if (from.isolation() == v1::ISOLATION_LEVEL_REPEATABLE_READ) begin.mode.isolation = Isolation::kRepeatableRead;
  if (from.isolation() == v1::ISOLATION_LEVEL_READ_COMMITTED) begin.mode.isolation = Isolation::kReadCommitted;
  begin.mode.read_only = from.read_only();
  begin.mode.deferrable = from.deferrable();
  if (from.timeout_ms() > 0) begin.timeout = absl::Milliseconds(from.timeout_ms());
  if (from.idle_timeout_ms() > 0) begin.idle_timeout = absl::Milliseconds(from.idle_timeout_ms());
  return begin;
}

void PutRows(SqlRows from, v1::SqlRows* to) {
  for (SqlColumn& column : from.columns) {
    v1::SqlColumn* added = to->add_columns();
    added->set_name(std::move(column.name));
    added->set_type(std::move(column.type));
  }
  const std::size_t columns = from.columns.size();
  for (std::size_t first = 0; columns > 0 && first < from.cells.size(); first += columns) {
    v1::SqlRow* row = to->add_rows();
    for (std::size_t n = 0; n < columns; ++n) {
      std::optional<std::string>& cell = from.cells[first + n];
      if (!cell) row->add_nulls(static_cast<std::uint32_t>(n));
      *row->add_cells() = cell ? *std::move(cell) : std::string();
    }
  }
  to->set_affected(from.affected);
  to->set_more(from.more);
}

std::string Printable(const std::string& text) {
  return PrintableText(text, kErrorMessageBytesMax);
}

void PutFailure(const SqlFailure& from, v1::SqlError* to) {
  to->set_sqlstate(Printable(from.sqlstate));
  to->set_message(Printable(from.message));
  to->set_detail(Printable(from.detail));
  to->set_hint(Printable(from.hint));
  to->set_schema(Printable(from.schema));
  to->set_table(Printable(from.table));
  to->set_column(Printable(from.column));
  to->set_constraint(Printable(from.constraint));
  to->set_position(from.position);
  to->set_deferred(from.deferred);
}

void PutEnded(TransactionEnded from, v1::TransactionEnded* to) {
  to->set_how(static_cast<v1::TransactionEnded::How>(from.how));
  if (from.outcome) Put(*std::move(from.outcome), to->mutable_outcome());
}

}  // namespace

Error Check(const v1::TransactRequest& request) {
  if (request.has_deferred()) {
    Error error = CheckDeferred(request);
    return error.ok() ? Check(request.deferred().request()) : error;
  }
  const int commands = CommandsIn(request);
  if (commands > 1 || (commands == 0 && !request.has_begin())) {
    return {
        Reason::kInvalidRequest,
        "a request has begin, or one of statement, fetch, savepoint, commit and rollback, or begin and one of them"};
  }
  if (request.has_begin()) {
    if (Error error = CheckBegin(request.begin()); !error.ok()) return error;
  }
  if (request.has_statement()) return CheckStatement(request.statement());
  Checker checker;
  if (request.has_fetch()) checker.Range("fetch.page_rows", request.fetch().page_rows(), 1, kPageRowsMax);
  if (request.has_savepoint()) {
    checker.Range("savepoint.action", request.savepoint().action(), v1::Savepoint::ACTION_SET,
                  v1::Savepoint::ACTION_ROLL_BACK);
  }
  if (request.has_commit()) {
    checker.Range("commit.completed_at_ms", request.commit().completed_at_ms(), 0, kTimeMsMax);
    if (request.commit().has_result()) checker.Payload("commit.result", request.commit().result());
  }
  if (request.has_rollback()) {
    checker.Range("rollback.completed_at_ms", request.rollback().completed_at_ms(), 0, kTimeMsMax);
    if (request.rollback().has_failure()) {
      checker.Payload("rollback.failure", request.rollback().failure(), JsonShape::kObject);
    }
  }
  return checker.Take();
}

Error Check(const v1::ExecuteRequest& request) {
  if (Error error = CheckBegin(request.begin()); !error.ok()) return error;
  if (Error error = CheckStatement(request.statement()); !error.ok()) return error;
  return Checker()
      .Range("statement.page_rows", request.statement().page_rows(), 0, 0)
      .Range("completed_at_ms", request.completed_at_ms(), 0, kTimeMsMax)
      .Take();
}

TransactionRequest TakeTransaction(v1::TransactRequest& from) {
  TransactionRequest request;
  if (from.has_deferred()) {
    v1::DeferredStatements& deferred = *from.mutable_deferred();
    request = TakeTransaction(*deferred.mutable_request());
    for (v1::SqlStatement& statement : *deferred.mutable_statements()) {
      request.deferred.push_back(TakeCommand(statement));
    }
    return request;
  }
  if (from.has_begin()) request.begin = TakeBegin(*from.mutable_begin());
  if (from.has_statement()) request.command = TakeCommand(*from.mutable_statement());
  if (from.has_fetch()) request.command = FetchRequest{from.fetch().page_rows()};
  if (from.has_savepoint()) {
    const v1::Savepoint::Action action = from.savepoint().action();
    request.command = action == v1::Savepoint::ACTION_SET       ? SavepointAction::kSet
                      : action == v1::Savepoint::ACTION_RELEASE ? SavepointAction::kRelease
                                                                : SavepointAction::kRollBack;
  }
  if (from.has_commit()) {
    CommitRequest commit{{"null"}, from.commit().completed_at_ms()};
    if (from.commit().has_result()) commit.result = TakePayload(*from.mutable_commit()->mutable_result());
    request.command = std::move(commit);
  }
  if (from.has_rollback()) {
    RollBackRequest back{std::nullopt, from.rollback().completed_at_ms()};
    if (from.rollback().has_failure()) back.failure = TakePayload(*from.mutable_rollback()->mutable_failure());
    request.command = std::move(back);
  }
  return request;
}

TransactionRequest TakeTransaction(v1::ExecuteRequest& from) {
  TransactionRequest request;
  request.begin = TakeBegin(*from.mutable_begin());
  request.command = ExecuteRequest{TakeCommand(*from.mutable_statement()), from.completed_at_ms()};
  return request;
}

std::size_t WireBytes(const TransactionAnswer& answer) {
  constexpr std::size_t kCellBytes = 4;
  if (const auto* ended = std::get_if<TransactionEnded>(&answer)) {
    return ended->outcome ? ended->outcome->payload.data.size() : 0;
  }
  if (const auto* failure = std::get_if<SqlFailure>(&answer)) {
    return failure->message.size() + failure->detail.size() + failure->hint.size();
  }
  const auto* rows = std::get_if<SqlRows>(&answer);
  if (rows == nullptr) return 0;
  std::size_t bytes = 0;
  for (const SqlColumn& column : rows->columns) bytes += column.name.size() + column.type.size() + kCellBytes;
  for (const auto& cell : rows->cells) bytes += kCellBytes + (cell ? cell->size() : 0);
  return bytes;
}

void Put(TransactionAnswer from, v1::TransactResponse* to) {
  if (auto* rows = std::get_if<SqlRows>(&from)) return PutRows(std::move(*rows), to->mutable_rows());
  if (auto* ended = std::get_if<TransactionEnded>(&from)) return PutEnded(std::move(*ended), to->mutable_ended());
  if (auto* failure = std::get_if<SqlFailure>(&from)) return PutFailure(*failure, to->mutable_sql_error());
  if (auto* error = std::get_if<Error>(&from)) return PutError(*error, to->mutable_refused());
  if (auto* restart = std::get_if<TransactionRestart>(&from)) {
    to->mutable_restart()->set_sqlstate(Printable(restart->why.sqlstate));
    to->mutable_restart()->set_message(Printable(restart->why.message));
    return;
  }
  to->mutable_done();
}

Error Put(TransactionAnswer from, v1::ExecuteResponse* to) {
  if (auto* error = std::get_if<Error>(&from)) return std::move(*error);
  if (auto* failure = std::get_if<SqlFailure>(&from)) PutFailure(*failure, to->mutable_sql_error());
  if (auto* ended = std::get_if<TransactionEnded>(&from)) PutEnded(std::move(*ended), to->mutable_ended());
  return {};
}

}  // namespace dbos::sidecar
