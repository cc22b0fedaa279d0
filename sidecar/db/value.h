// Value: one parameter of a statement. Text is borrowed: it must live until the call that uses it returns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace dbos::sidecar {

using Value = std::variant<std::monostate, std::int64_t, bool, std::string_view>;

inline constexpr std::monostate kNullValue;

// SQL NULL for what the records write as an empty string or as 0.
inline Value NullIfEmpty(const std::string& text) {
  return text.empty() ? Value() : Value(std::string_view(text));
}
inline Value NullIfZero(std::int64_t number) {
  return number == 0 ? Value() : Value(number);
}

}  // namespace dbos::sidecar
