#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <dbos/values.h>

namespace dbos::detail {
namespace {

// JavaScript's largest safe integer: beyond it a number loses digits in half of the SDKs.
constexpr std::int64_t kLargestSafe = (std::int64_t{1} << 53) - 1;

bool IsWide(std::int64_t value) {
  return value > kLargestSafe || value < -kLargestSafe;
}
bool IsWide(std::uint64_t value) {
  return value > static_cast<std::uint64_t>(kLargestSafe);
}

// Wide integers become strings; NaN and infinity, which JSON cannot hold, are refused.
template <class AnyJson>
void MakePortable(AnyJson& value) {
  if (value.is_structured()) {
    for (auto& element : value) MakePortable(element);
  } else if (value.is_number_unsigned()) {
    const auto number = value.template get_ref<const typename AnyJson::number_unsigned_t&>();
    if (IsWide(static_cast<std::uint64_t>(number))) value = std::to_string(number);
  } else if (value.is_number_integer()) {
    const auto number = value.template get_ref<const typename AnyJson::number_integer_t&>();
    if (IsWide(static_cast<std::int64_t>(number))) value = std::to_string(number);
  } else if (value.is_number_float()) {
    const auto number = value.template get_ref<const typename AnyJson::number_float_t&>();
    if (!std::isfinite(number)) {
      throw InvalidArgument("JSON has no NaN and no infinity; store null or a string instead");
    }
  }
}

template <class AnyJson>
std::string Dump(AnyJson value) {
  MakePortable(value);
  try {
    return value.dump();
  } catch (const nlohmann::json::exception& error) {
    throw InvalidArgument(std::string("text must be valid UTF-8; use std::vector<std::byte> for bytes: ") +
                          error.what());
  }
}

// The start of a text, for messages.
std::string Excerpt(std::string_view text) {
  constexpr std::size_t kMax = 80;
  return text.size() <= kMax ? std::string(text) : std::string(text.substr(0, kMax)) + "...";
}

bool NeedsEscape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || (c & 0x80) != 0;
}

template <class AnyJson>
AnyJson Parse(std::string_view text) {
  try {
    return AnyJson::parse(text);
  } catch (const nlohmann::json::exception&) {
    throw InvalidArgument("not JSON: " + Excerpt(text));
  }
}

}  // namespace

std::string DumpPortable(nlohmann::json value) {
  return Dump(std::move(value));
}
std::string DumpPortable(Json value) {
  return Dump(std::move(value));
}

std::string EncodeText(std::string_view text) {
  for (const char c : text) {
    if (NeedsEscape(c)) return DumpPortable(nlohmann::json(text));
  }
  std::string quoted;
  quoted.reserve(text.size() + 2);
  return quoted.append(1, '"').append(text).append(1, '"');
}

std::string EncodeInteger(std::int64_t value) {
  return IsWide(value) ? '"' + std::to_string(value) + '"' : std::to_string(value);
}
std::string EncodeInteger(std::uint64_t value) {
  return IsWide(value) ? '"' + std::to_string(value) + '"' : std::to_string(value);
}

std::string CheckedJson(const std::string& text) {
  if (!nlohmann::json::accept(text)) throw InvalidArgument("RawJson is not JSON: " + Excerpt(text));
  return text;
}

nlohmann::json ParseStored(std::string_view text) {
  return Parse<nlohmann::json>(text);
}
Json ParseOrdered(std::string_view text) {
  return Parse<Json>(text);
}

void ThrowNotConvertible(const char* what, std::string_view text) {
  throw InvalidArgument(std::string("the stored value does not fit the C++ type: ") + what + ": " + Excerpt(text));
}

}  // namespace dbos::detail
