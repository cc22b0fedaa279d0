// How nlohmann-json converts the types that it does not know, or that portable JSON writes differently.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ratio>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace dbos::detail {

// Times of every unit meet here: microseconds hold the years 1 to 9999, all that has a text. Nanoseconds do not.
using Micros = std::chrono::sys_time<std::chrono::microseconds>;
bool HasText(Micros time);
// RFC 3339, to the millisecond. Throws InvalidArgument for what has no text.
std::string FormatTime(Micros time);
// To the microsecond, of what has a text.
std::string FormatMicros(Micros time);

// Rounded down. What is too far away becomes Micros::max(), which has no text.
template <class Duration>
Micros ToMicros(std::chrono::time_point<std::chrono::system_clock, Duration> time) {
  constexpr double kDaysMax = 4e6;
  using Days = std::chrono::duration<double, std::chrono::days::period>;  // floating point: it cannot overflow
  const double days = Days(time.time_since_epoch()).count();
  if (!(days > -kDaysMax && days < kDaysMax)) return Micros::max();
  return std::chrono::floor<std::chrono::microseconds>(time);
}

struct ParsedTime {
  std::chrono::sys_seconds whole;
  std::chrono::nanoseconds fraction;
};
// Of the years 1 to 9999.
ParsedTime ParseTime(const std::string& text);
[[noreturn]] void ThrowTimeTooFar(const std::string& text);

// Rounded down. Throws InvalidArgument for a time that the type cannot hold.
template <class Duration>
std::chrono::sys_time<Duration> TimeFrom(const std::string& text) {
  using Seconds = std::chrono::duration<double>;
  const ParsedTime time = ParseTime(text);
  const double at = Seconds(time.whole.time_since_epoch()).count();
  if (at < Seconds(Duration::min()).count() || at + 1 > Seconds(Duration::max()).count()) ThrowTimeTooFar(text);
  if constexpr (std::chrono::treat_as_floating_point_v<typename Duration::rep> ||
                std::ratio_less_equal_v<typename Duration::period, std::ratio<1>>) {
    return std::chrono::sys_time<Duration>(std::chrono::duration_cast<Duration>(time.whole.time_since_epoch()) +
                                           std::chrono::duration_cast<Duration>(time.fraction));
  } else {
    return std::chrono::floor<Duration>(time.whole);
  }
}

std::string EncodeBase64(const std::vector<std::byte>& bytes);
std::vector<std::byte> DecodeBase64(const std::string& text);
std::int64_t ParseSigned(const std::string& text);
std::uint64_t ParseUnsigned(const std::string& text);

std::string FormatDate(std::chrono::year_month_day date);
std::chrono::year_month_day ParseDate(const std::string& text);

// While one is there, on its thread, the types that SQL knows and JSON does not mark themselves when they become JSON:
// as bytes with a subtype. See records.h.
enum class Mark { kBytes = 0, kTime, kDate, kNumeric, kUuid, kJson, kSmallNumbers };
class RecordScope {
 public:
  RecordScope();
  ~RecordScope();
  RecordScope(const RecordScope&) = delete;
  RecordScope& operator=(const RecordScope&) = delete;
  static bool Active();
};
template <class BasicJson, class Bytes>
BasicJson Marked(Mark mark, const Bytes& bytes) {
  typename BasicJson::binary_t::container_type binary;
  binary.reserve(bytes.size());
  for (const auto byte : bytes) binary.push_back(static_cast<std::uint8_t>(byte));
  return BasicJson::binary(std::move(binary), static_cast<std::uint8_t>(mark));
}

// Bytes are std::vector<std::byte>. Other arrays of such elements are numbers in JSON. In SQL they could be meant as
// either, so that they are refused there.
template <class T>
inline constexpr bool kIsChar =
    std::is_same_v<T, char> || std::is_same_v<T, signed char> || std::is_same_v<T, unsigned char>;
template <class T>
inline constexpr bool kIsUnclear = false;
template <class T>
inline constexpr bool kIsUnclear<std::vector<T>> = kIsChar<T>;
template <class T, std::size_t N>
inline constexpr bool kIsUnclear<std::array<T, N>> = kIsChar<T> || std::is_same_v<T, std::byte>;
template <class T, std::size_t N>
inline constexpr bool kIsUnclear<T[N]> =  // NOLINT(modernize-avoid-c-arrays): char[] is text
    !std::is_same_v<T, char> && (kIsChar<T> || std::is_same_v<T, std::byte>);
[[noreturn]] void ThrowBytesAsNumbers();

// Reads a number, or the decimal string that portable JSON writes beyond 2^53. Numbers are written as numbers here; the
// portable form is made where the whole value is dumped, so that other JSON of the program stays as it is.
template <class Integer>
struct WideIntegerSerializer {
  template <class BasicJson>
  static void to_json(BasicJson& json, Integer value) {
    ::nlohmann::to_json(json, value);
  }
  template <class BasicJson>
  static void from_json(const BasicJson& json, Integer& value) {
    if (!json.is_string()) {
      ::nlohmann::from_json(json, value);
    } else if constexpr (std::is_signed_v<Integer>) {
      value = static_cast<Integer>(ParseSigned(json.template get<std::string>()));
    } else {
      value = static_cast<Integer>(ParseUnsigned(json.template get<std::string>()));
    }
  }
};

}  // namespace dbos::detail

namespace nlohmann {

template <>
struct adl_serializer<long> : dbos::detail::WideIntegerSerializer<long> {};
template <>
struct adl_serializer<long long> : dbos::detail::WideIntegerSerializer<long long> {};
template <>
struct adl_serializer<unsigned long> : dbos::detail::WideIntegerSerializer<unsigned long> {};
template <>
struct adl_serializer<unsigned long long> : dbos::detail::WideIntegerSerializer<unsigned long long> {};

template <class Duration>
struct adl_serializer<std::chrono::time_point<std::chrono::system_clock, Duration>> {
  using Time = std::chrono::time_point<std::chrono::system_clock, Duration>;
  template <class BasicJson>
  static void to_json(BasicJson& json, const Time& time) {
    const dbos::detail::Micros micros = dbos::detail::ToMicros(time);
    if (dbos::detail::RecordScope::Active()) {
      const std::string count = std::to_string(micros.time_since_epoch().count());
      json = dbos::detail::Marked<BasicJson>(dbos::detail::Mark::kTime, count);
    } else {
      json = dbos::detail::FormatTime(micros);
    }
  }
  template <class BasicJson>
  static void from_json(const BasicJson& json, Time& time) {
    time = dbos::detail::TimeFrom<Duration>(json.template get<std::string>());
  }
};

template <>
struct adl_serializer<std::chrono::year_month_day> {
  template <class BasicJson>
  static void to_json(BasicJson& json, const std::chrono::year_month_day& date) {
    using dbos::detail::Mark;
    const std::string text = dbos::detail::FormatDate(date);
    json = dbos::detail::RecordScope::Active() ? dbos::detail::Marked<BasicJson>(Mark::kDate, text) : BasicJson(text);
  }
  template <class BasicJson>
  static void from_json(const BasicJson& json, std::chrono::year_month_day& date) {
    date = dbos::detail::ParseDate(json.template get<std::string>());
  }
};

template <>
struct adl_serializer<std::vector<std::byte>> {
  template <class BasicJson>
  static void to_json(BasicJson& json, const std::vector<std::byte>& bytes) {
    if (dbos::detail::RecordScope::Active()) {
      json = dbos::detail::Marked<BasicJson>(dbos::detail::Mark::kBytes, bytes);
    } else {
      json = dbos::detail::EncodeBase64(bytes);
    }
  }
  template <class BasicJson>
  static void from_json(const BasicJson& json, std::vector<std::byte>& bytes) {
    bytes = dbos::detail::DecodeBase64(json.template get<std::string>());
  }
};

template <class T>
requires(dbos::detail::kIsUnclear<T>) struct adl_serializer<T, void> {
  template <class BasicJson>
  static void to_json(BasicJson& json, const T& numbers) {
    ::nlohmann::to_json(json, numbers);
    if (!dbos::detail::RecordScope::Active()) return;
    json = dbos::detail::Marked<BasicJson>(dbos::detail::Mark::kSmallNumbers, json.dump());
  }
  template <class BasicJson>
  static void from_json(const BasicJson& json, T& numbers) {
    if (json.is_string()) dbos::detail::ThrowBytesAsNumbers();
    ::nlohmann::from_json(json, numbers);
  }
};

#if NLOHMANN_JSON_VERSION_MAJOR == 3 && NLOHMANN_JSON_VERSION_MINOR < 12
template <class T>
struct adl_serializer<std::optional<T>> {
  template <class BasicJson>
  static void to_json(BasicJson& json, const std::optional<T>& value) {
    if (value) {
      json = *value;
    } else {
      json = nullptr;
    }
  }
  template <class BasicJson>
  static void from_json(const BasicJson& json, std::optional<T>& value) {
    if (json.is_null()) {
      value = std::nullopt;
    } else {
      value = json.template get<T>();
    }
  }
};
#endif

}  // namespace nlohmann
