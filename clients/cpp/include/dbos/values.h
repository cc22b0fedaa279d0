// Values: how C++ values become portable JSON, the text that every DBOS SDK reads, and back.
//
//   any type nlohmann-json converts   its JSON (write NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE once for a struct)
//   int64, uint64 beyond 2^53         a decimal string; both forms are read
//   system_clock::time_point          RFC 3339, UTC, milliseconds, "Z"
//   std::vector<std::byte>            base64
//   std::optional<T>                  null or T
//   dbos::Json                        ordered JSON
//   dbos::RawJson                     text that is stored as it is
//   Protobuf messages                 their JSON mapping; include <dbos/protobuf.h>
//
// What user code gets from a step is decoded from the stored text, on the first run and on every replay.
//
// Errors: InvalidArgument for NaN, infinity, invalid UTF-8, text that is not JSON or not of the wanted type.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <dbos/detail/json_types.h>
#include <dbos/errors.h>

namespace dbos {

// JSON text, passed through byte for byte. It is checked to be valid JSON when it is encoded. As a part of another
// value it is read and written again: only what JSON means is kept, in the precision of int64, uint64 and double.
struct RawJson {
  std::string text = "null";
  bool operator==(const RawJson&) const = default;
};

// As a member of a struct it is part of the JSON around it.
// NOLINTBEGIN(readability-identifier-naming): nlohmann-json looks for these names
template <class BasicJson>
void to_json(BasicJson& json, const RawJson& value) {
  json = detail::RecordScope::Active() ? detail::Marked<BasicJson>(detail::Mark::kJson, value.text)
                                       : BasicJson::parse(value.text);
}
template <class BasicJson>
void from_json(const BasicJson& json, RawJson& value) {
  value.text = json.dump();
}
// NOLINTEND(readability-identifier-naming)

namespace detail {

std::string DumpPortable(nlohmann::json value);
std::string DumpPortable(Json value);
std::string EncodeText(std::string_view text);
std::string EncodeInteger(std::int64_t value);
std::string EncodeInteger(std::uint64_t value);
std::string CheckedJson(const std::string& text);
nlohmann::json ParseStored(std::string_view text);
Json ParseOrdered(std::string_view text);
[[noreturn]] void ThrowNotConvertible(const char* what, std::string_view text);

template <class T>
concept ProtobufMessage = requires(const T& message) {
  message.GetDescriptor();
  message.SerializeAsString();
};

template <class T>
concept PlainInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;

}  // namespace detail

// The one place to specialise for a type that cannot go through nlohmann-json.
template <class T>
struct ValueCodec {
  static_assert(!detail::ProtobufMessage<T>, "include <dbos/protobuf.h> to use Protobuf messages as values");

  static std::string Encode(const T& value) {
    if constexpr (detail::PlainInteger<T>) {
      using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
      return detail::EncodeInteger(static_cast<Wide>(value));
    } else if constexpr (std::is_same_v<T, std::string>) {
      return detail::EncodeText(value);
    } else {
      return detail::DumpPortable(nlohmann::json(value));
    }
  }

  static T Decode(std::string_view text) {
    nlohmann::json value = detail::ParseStored(text);
    try {
      return value.get<T>();
    } catch (const nlohmann::json::exception& error) {
      detail::ThrowNotConvertible(error.what(), text);
    }
  }
};

template <>
struct ValueCodec<Json> {
  static std::string Encode(const Json& value) { return detail::DumpPortable(value); }
  static Json Decode(std::string_view text) { return detail::ParseOrdered(text); }
};

template <>
struct ValueCodec<RawJson> {
  static std::string Encode(const RawJson& value) { return detail::CheckedJson(value.text); }
  static RawJson Decode(std::string_view text) { return RawJson{std::string(text)}; }
};

template <class T>
struct ValueCodec<std::optional<T>> {
  static std::string Encode(const std::optional<T>& value) { return value ? ValueCodec<T>::Encode(*value) : "null"; }
  static std::optional<T> Decode(std::string_view text) {
    if (text == "null") return std::nullopt;
    return ValueCodec<T>::Decode(text);
  }
};

template <class T>
std::string Encode(const T& value) {
  return ValueCodec<T>::Encode(value);
}
inline std::string Encode(const char* value) {
  return detail::EncodeText(value);
}

template <class T>
T Decode(std::string_view text) {
  return ValueCodec<T>::Decode(text);
}

}  // namespace dbos
