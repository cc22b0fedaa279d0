#include "sql_wire.h"

#include <cctype>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include <dbos/detail/json_types.h>
#include <dbos/errors.h>

#include "error_records.h"

namespace dbos::runtime {
namespace {

constexpr std::size_t kSqlBytesMax = 1 << 20;
constexpr std::size_t kParametersMax = 65'535;
constexpr std::size_t kShownSqlBytesMax = 200;
constexpr int kArrayDepthMax = 6;  // PostgreSQL's own limit

[[noreturn]] void Refuse(const std::string& parameter, const std::string& what) {
  throw InvalidArgument("parameter :" + parameter + " " + what);
}

// For an error, between two characters.
std::string_view Cut(std::string_view text) {
  if (text.size() <= kShownSqlBytesMax) return text;
  std::size_t end = kShownSqlBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

bool IsFinite(const Json& value) {
  if (value.is_number_float()) return std::isfinite(value.get<double>());
  for (const auto& item : value) {
    if (value.is_structured() && !IsFinite(item)) return false;
  }
  return true;
}

std::size_t SkipDigits(std::string_view text, std::size_t at) {
  while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0) ++at;
  return at;
}

bool IsNumeric(std::string_view text) {
  std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const std::string_view rest = text.substr(at);
  if (rest == "NaN" || rest == "Infinity") return true;
  const std::size_t whole = SkipDigits(text, at) - at;
  at += whole;
  std::size_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    fraction = SkipDigits(text, at + 1) - at - 1;
    at += fraction + 1;
  }
  if (whole + fraction == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const std::size_t end = SkipDigits(text, at);
    if (end == at) return false;
    at = end;
  }
  return at == text.size();
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

class ValueEncoder {
 public:
  ValueEncoder(const std::string& parameter, v1::SqlValue& to, int depth)
      : parameter_(parameter), to_(to), depth_(depth) {}

  void operator()(std::monostate /*null*/) const {}
  void operator()(bool value) const { to_.set_boolean(value); }
  void operator()(std::int64_t value) const { to_.set_integer(value); }
  void operator()(std::uint64_t value) const {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      Refuse(parameter_,
             "is " + std::to_string(value) + ", more than the largest integer of SQL: pass a dbos::Numeric");
    }
    to_.set_integer(static_cast<std::int64_t>(value));
  }
  void operator()(double value) const { to_.set_number(value); }
  void operator()(const std::string& text) const {
    if (!IsUtf8WithoutNul(text)) {
      Refuse(parameter_, "must be UTF-8 without NUL; pass bytes as std::vector<std::byte>");
    }
    to_.set_text(text);
  }
  void operator()(const Numeric& value) const {
    if (!IsNumeric(value.text)) Refuse(parameter_, "is no decimal number: \"" + value.text.substr(0, 40) + "\"");
    to_.set_numeric(value.text);
  }
  void operator()(const Uuid& value) const {
    if (!IsUuid(value.text)) {
      Refuse(parameter_, "is no UUID (8-4-4-4-12 hexadecimal digits): \"" + value.text.substr(0, 40) + "\"");
    }
    to_.set_uuid(value.text);
  }
  void operator()(const std::vector<std::byte>& bytes) const {
    to_.set_bytea(reinterpret_cast<const char*>(bytes.data()), bytes.size());  // NOLINT: bytes are bytes
  }
  void operator()(detail::Micros time) const {
    if (!detail::HasText(time)) Refuse(parameter_, "is no time of the years 1 to 9999");
    to_.set_timestamptz(detail::FormatMicros(time));
  }
  void operator()(std::chrono::year_month_day date) const {
    const int year = static_cast<int>(date.year());
    if (!date.ok() || year < 1 || year > 9999) Refuse(parameter_, "is no date of the years 1 to 9999");
    to_.set_date(detail::FormatDate(date));
  }
  void operator()(const Json& value) const {
    if (!IsFinite(value)) Refuse(parameter_, "holds NaN or infinity, which JSON has not");
    try {
      to_.set_json(value.dump());
    } catch (const nlohmann::json::exception&) {
      Refuse(parameter_, "holds text that is not UTF-8");
    }
  }
  void operator()(const RawJson& value) const {
    if (!nlohmann::json::accept(value.text)) Refuse(parameter_, "is not JSON: " + value.text.substr(0, 40));
    to_.set_json(value.text);
  }
  void operator()(const SqlValue::Array& items) const {
    if (depth_ == kArrayDepthMax) Refuse(parameter_, "is nested deeper than " + std::to_string(kArrayDepthMax));
    v1::SqlArray& array = *to_.mutable_array();
    array.mutable_items()->Reserve(static_cast<int>(items.size()));
    for (const SqlValue& item : items) {
      std::visit(ValueEncoder(parameter_, *array.add_items(), depth_ + 1), item.variant());
    }
  }

 private:
  const std::string& parameter_;
  v1::SqlValue& to_;
  const int depth_;
};

}  // namespace

void EncodeStatement(std::string_view sql, const SqlParams& params, std::uint32_t page_rows, v1::SqlStatement& to) {
  if (!IsUtf8WithoutNul(sql)) throw InvalidArgument("the text of a statement must be UTF-8 without NUL");
  if (sql.size() > kSqlBytesMax) {
    throw InvalidArgument("the statement has " + std::to_string(sql.size()) + " bytes, the limit is 1 MiB: pass data " +
                          "as parameters");
  }
  if (params.size() > kParametersMax) {
    throw InvalidArgument("the statement has " + std::to_string(params.size()) + " parameters, the limit is 65535");
  }
  to.set_sql(sql.data(), sql.size());
  to.set_page_rows(page_rows);
  to.mutable_parameters()->Reserve(static_cast<int>(params.size()));
  for (const SqlParam& param : params) {
    CheckName("the name of a parameter", param.name, kSqlBytesMax);
    v1::SqlParameter& parameter = *to.add_parameters();
    parameter.set_name(param.name);
    std::visit(ValueEncoder(param.name, *parameter.mutable_value(), 0), param.value.variant());
  }
}

void CheckTransactionOptions(const std::string& what, const TransactionOptions& options) {
  const auto fail = [&](const char* why) { throw InvalidArgument(what + ": " + why); };
  if (options.timeout.count() < 1 || options.timeout > std::chrono::hours(1)) fail("timeout must be 1 ms to 1 h");
  if (options.idle_timeout.count() < 1 || options.idle_timeout > std::chrono::minutes(1)) {
    fail("idle_timeout must be 1 ms to 1 min");
  }
  if (options.deferrable && !(options.read_only && options.isolation == Isolation::kSerializable)) {
    fail("deferrable needs read_only and Isolation::kSerializable");
  }
}

v1::BeginTransaction EncodeBegin(const TransactionOptions& options) {
  v1::BeginTransaction begin;
  switch (options.isolation) {
    case Isolation::kSerializable:
      begin.set_isolation(v1::ISOLATION_LEVEL_SERIALIZABLE);
      break;
    case Isolation::kRepeatableRead:
      begin.set_isolation(v1::ISOLATION_LEVEL_REPEATABLE_READ);
      break;
    case Isolation::kReadCommitted:
      begin.set_isolation(v1::ISOLATION_LEVEL_READ_COMMITTED);
      break;
  }
  begin.set_read_only(options.read_only);
  begin.set_deferrable(options.deferrable);
  begin.set_idle_timeout_ms(options.idle_timeout.count());
  return begin;
}

detail::RowSet DecodeRowSet(v1::SqlRows& rows) {
  detail::RowSet set;
  set.affected = rows.affected();
  set.columns.reserve(static_cast<std::size_t>(rows.columns_size()));
  for (const v1::SqlColumn& column : rows.columns()) set.columns.push_back({column.name(), column.type()});
  set.cells.reserve(set.columns.size() * static_cast<std::size_t>(rows.rows_size()));
  for (v1::SqlRow& row : *rows.mutable_rows()) {
    const std::size_t start = set.cells.size();
    for (std::string& cell : *row.mutable_cells()) set.cells.emplace_back(std::move(cell));
    for (const std::uint32_t null : row.nulls()) {
      if (start + null < set.cells.size()) set.cells[start + null].reset();
    }
    if (set.cells.size() - start != set.columns.size()) throw Error("the sidecar sent a row that has not all columns");
  }
  return set;
}

const v1::TransactRequest& AskedBy(const v1::TransactRequest& request) {
  return request.has_deferred() ? request.deferred().request() : request;
}

SqlError ToSqlError(const v1::SqlError& error, std::string_view step, std::string_view deferred) {
  Json data = Json::object();
  const auto add = [&data](const char* key, std::string_view text) {
    if (!text.empty()) data[key] = text;
  };
  add("step", step);
  add("detail", error.detail());
  add("hint", error.hint());
  add("schema", error.schema());
  add("table", error.table());
  add("column", error.column());
  add("constraint", error.constraint());
  if (error.position() > 0) data["position"] = error.position();
  add("statement", Cut(deferred));
  return SqlError({.name = "SqlError",
                   .message = error.message(),
                   .code = std::make_optional<Json>(error.sqlstate()),
                   .data = std::make_optional<Json>(std::move(data))});
}

}  // namespace dbos::runtime
