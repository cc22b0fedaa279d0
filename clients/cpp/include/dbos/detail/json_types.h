// How nlohmann-json converts the types that it does not know, or that portable JSON writes differently.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace dbos::detail {

std::string FormatTime(std::chrono::system_clock::time_point time);
std::chrono::system_clock::time_point ParseTime(const std::string& text);
std::string EncodeBase64(const std::vector<std::byte>& bytes);
std::vector<std::byte> DecodeBase64(const std::string& text);
std::int64_t ParseSigned(const std::string& text);
std::uint64_t ParseUnsigned(const std::string& text);

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
    json = dbos::detail::FormatTime(std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
  }
  template <class BasicJson>
  static void from_json(const BasicJson& json, Time& time) {
    time = std::chrono::time_point_cast<Duration>(dbos::detail::ParseTime(json.template get<std::string>()));
  }
};

template <>
struct adl_serializer<std::vector<std::byte>> {
  template <class BasicJson>
  static void to_json(BasicJson& json, const std::vector<std::byte>& bytes) {
    json = dbos::detail::EncodeBase64(bytes);
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
