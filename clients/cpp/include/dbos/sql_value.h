// SqlValue, SqlParam: the parameters of a statement. They are written :name in the text.
//
//   tx.query("SELECT * FROM t WHERE id = :id AND tag = ANY(:tags)", {{"id", 7}, {"tags", tags}});
//
//   nullptr, empty std::optional        NULL
//   bool, integers, double              uint64 only up to the largest int64: beyond it, pass a Numeric
//   std::string, string_view, char*     text; UTF-8 without NUL
//   dbos::Numeric{"1.10"}               numeric, exactly as written, but on SQLite see below
//   std::vector<std::byte>              bytea; nothing else is
//   std::chrono::sys_time of any unit   timestamptz, rounded down to the microsecond, years 1 to 9999
//   std::chrono::year_month_day         date, years 1 to 9999
//   dbos::Uuid{"..."}                   uuid
//   dbos::Json, dbos::RawJson           json and jsonb
//   std::vector of any of these         an array; on SQLite it is JSON text
//
// A time that goes into a column of PostgreSQL's type timestamp is stored as of the session's time zone, and read as
// UTC: where the database's zone is another one, use timestamptz.
//
// SQLite has no numeric. A column declared NUMERIC or DECIMAL keeps of a Numeric what a double holds, some 15 digits;
// one declared TEXT keeps it as written. A double that is NaN is stored as NULL.
//
// Vectors, arrays and spans of char, signed char, unsigned char (std::uint8_t), arrays and spans of std::byte do not
// compile: copy bytes into a std::vector<std::byte>, small numbers into a std::vector<int>. As members of records they
// are an InvalidArgument that names the member; inside of a json column they are numbers.
//
// What a type cannot hold is an InvalidArgument that names the parameter, before anything is sent.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <dbos/values.h>

namespace dbos {

// An exact decimal number: digits, a point, an exponent; NaN, Infinity. Not exact in NUMERIC columns of SQLite.
struct Numeric {
  std::string text = "0";
  bool operator==(const Numeric&) const = default;
};

struct Uuid {
  std::string text = "00000000-0000-0000-0000-000000000000";
  bool operator==(const Uuid&) const = default;
};

// As JSON they are their text; a number is read as well.
// NOLINTBEGIN(readability-identifier-naming): nlohmann-json looks for these names
template <class BasicJson>
void to_json(BasicJson& json, const Numeric& value) {
  json = detail::RecordScope::Active() ? detail::Marked<BasicJson>(detail::Mark::kNumeric, value.text)
                                       : BasicJson(value.text);
}
template <class BasicJson>
void from_json(const BasicJson& json, Numeric& value) {
  value.text = json.is_number() ? json.dump() : json.template get<std::string>();
}
template <class BasicJson>
void to_json(BasicJson& json, const Uuid& value) {
  json = detail::RecordScope::Active() ? detail::Marked<BasicJson>(detail::Mark::kUuid, value.text)
                                       : BasicJson(value.text);
}
template <class BasicJson>
void from_json(const BasicJson& json, Uuid& value) {
  value.text = json.template get<std::string>();
}
// NOLINTEND(readability-identifier-naming)

// NOLINTBEGIN(google-explicit-constructor): values are written as they are
class SqlValue {
 public:
  using Array = std::vector<SqlValue>;
  using Variant = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Numeric, Uuid,
                               std::vector<std::byte>, std::chrono::sys_time<std::chrono::microseconds>,
                               std::chrono::year_month_day, Json, RawJson, Array>;

  SqlValue() = default;
  SqlValue(std::nullptr_t) {}
  template <std::same_as<bool> T>
  SqlValue(T value) : value_(value) {}
  template <detail::PlainInteger T>
  SqlValue(T value) {
    if constexpr (std::is_signed_v<T>) {
      value_ = static_cast<std::int64_t>(value);
    } else {
      value_ = static_cast<std::uint64_t>(value);
    }
  }
  template <std::floating_point T>
  SqlValue(T value) : value_(static_cast<double>(value)) {}
  SqlValue(const char* text) {
    if (text != nullptr) value_ = std::string(text);
  }
  SqlValue(std::string_view text) : value_(std::string(text)) {}
  SqlValue(std::string text) : value_(std::move(text)) {}
  SqlValue(Numeric value) : value_(std::move(value)) {}
  SqlValue(Uuid value) : value_(std::move(value)) {}
  SqlValue(std::vector<std::byte> bytes) : value_(std::move(bytes)) {}
  template <class Duration>
  SqlValue(std::chrono::time_point<std::chrono::system_clock, Duration> time) : value_(detail::ToMicros(time)) {}
  SqlValue(std::chrono::year_month_day date) : value_(date) {}
  template <std::same_as<Json> T>
  SqlValue(T value) : value_(std::move(value)) {}
  SqlValue(RawJson value) : value_(std::move(value)) {}
  SqlValue(Array items) : value_(std::move(items)) {}
  template <class T>
  requires(!detail::kIsUnclear<std::vector<T>>) SqlValue(const std::vector<T>& items) {
    Array& array = value_.emplace<Array>();
    array.reserve(items.size());
    for (const T& item : items) array.emplace_back(item);
  }
  template <class T>
  SqlValue(const std::optional<T>& value) {
    if (value) value_ = SqlValue(*value).value_;
  }
  template <class T>
  requires(detail::kIsUnclear<T>) SqlValue(const T& /*bytes or numbers*/) {
    static_assert(!detail::kIsUnclear<T>, "bytes are std::vector<std::byte>, small numbers are std::vector<int>");
  }
  template <class T, std::size_t N>
  SqlValue(std::span<T, N> /*view*/) {
    static_assert(std::is_void_v<T>,
                  "a span is no parameter: bytes are std::vector<std::byte>, arrays are std::vector");
  }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const Variant& variant() const { return value_; }

 private:
  Variant value_;
};
// NOLINTEND(google-explicit-constructor)

struct SqlParam {
  std::string name;
  SqlValue value;
};
using SqlParams = std::vector<SqlParam>;

}  // namespace dbos
