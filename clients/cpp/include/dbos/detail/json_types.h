// How nlohmann-json converts the types that it does not know, or that portable JSON writes differently.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace dbos::detail {

std::string FormatTime(std::chrono::system_clock::time_point time);
std::chrono::system_clock::time_point ParseTime(const std::string& text);
std::string EncodeBase64(const std::vector<std::byte>& bytes);
std::vector<std::byte> DecodeBase64(const std::string& text);
std::int64_t ParseSigned(const std::string& text);
std::uint64_t ParseUnsigned(const std::string& text);

std::string FormatDate(std::chrono::year_month_day date);
std::chrono::year_month_day ParseDate(const std::string& text);
// As FormatTime, to the microsecond.
std::string FormatMicros(std::chrono::system_clock::time_point time);

// While one is there, on its thread, the types that SQL knows and JSON does not mark themselves when they become JSON:
// as bytes with a subtype. See records.h.
enum class Mark { kBytes = 0, kTime, kDate, kNumeric, kUuid, kJson };
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
    using dbos::detail::Mark;
    const auto point = std::chrono::time_point_cast<std::chrono::system_clock::duration>(time);
    if (dbos::detail::RecordScope::Active()) {
      json = dbos::detail::Marked<BasicJson>(Mark::kTime, dbos::detail::FormatMicros(point));
    } else {
      json = dbos::detail::FormatTime(point);
    }
  }
  template <class BasicJson>
  static void from_json(const BasicJson& json, Time& time) {
    time = std::chrono::time_point_cast<Duration>(dbos::detail::ParseTime(json.template get<std::string>()));
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
