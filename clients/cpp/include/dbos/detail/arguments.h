// Arguments of a workflow in the DBOS form: {"positionalArgs":[...],"namedArgs":{...}}.
//
// Parameters map to positionalArgs in order; only optional ones may be missing at the end. namedArgs fill a single
// struct parameter. Anything else is an InvalidArgument that names the parameter.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <dbos/values.h>

namespace dbos::detail {

// Views into the stored text.
struct StoredArguments {
  std::vector<std::string_view> positional;
  std::string_view named;  // empty when there are none
};
StoredArguments SplitArguments(std::string_view input);
void CheckArgumentCount(const StoredArguments& stored, std::size_t parameters, bool takes_named);
[[noreturn]] void ThrowBadArgument(std::size_t index, const char* what);
[[noreturn]] void ThrowMissingArgument(std::size_t index, std::size_t given);

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
inline constexpr bool kFromObject =
    std::is_class_v<T> && !kIsOptional<T> && !std::is_convertible_v<T, std::string_view>;

template <class... Args>
std::string EncodeArguments(const Args&... args) {
  std::string text = "{\"positionalArgs\":[";
  std::size_t index = 0;
  ((text.append(index++ == 0 ? "" : ",").append(Encode(args))), ...);
  return text.append("]}");
}

template <class T>
T DecodeArgument(const StoredArguments& stored, std::size_t index) {
  try {
    if (index < stored.positional.size()) return Decode<T>(stored.positional[index]);
    if constexpr (kFromObject<T>) {
      if (index == 0 && !stored.named.empty()) return Decode<T>(stored.named);
    }
    if constexpr (kIsOptional<T>) return std::nullopt;
  } catch (const Error& error) {
    ThrowBadArgument(index, error.what());
  }
  ThrowMissingArgument(index, stored.positional.size());
}

template <class Tuple, std::size_t... I>
Tuple DecodeEach(const StoredArguments& stored, std::index_sequence<I...>) {
  return Tuple{DecodeArgument<std::tuple_element_t<I, Tuple>>(stored, I)...};
}

template <class Tuple>
Tuple DecodeArguments(std::string_view input) {
  constexpr std::size_t kCount = std::tuple_size_v<Tuple>;
  const StoredArguments stored = SplitArguments(input);
  bool takes_named = false;
  if constexpr (kCount == 1) takes_named = kFromObject<std::tuple_element_t<0, Tuple>>;
  CheckArgumentCount(stored, kCount, takes_named);
  return DecodeEach<Tuple>(stored, std::make_index_sequence<kCount>());
}

}  // namespace dbos::detail
