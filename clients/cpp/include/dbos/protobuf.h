// Protobuf messages as values, through their JSON mapping. Opt-in: this header includes Protobuf.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include <dbos/values.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

namespace dbos {

template <std::derived_from<google::protobuf::Message> T>
struct ValueCodec<T> {
  static std::string Encode(const T& message) {
    std::string text;
    const auto status = google::protobuf::util::MessageToJsonString(message, &text);
    if (!status.ok()) throw InvalidArgument("cannot write " + message.GetTypeName() + " as JSON: " + status.ToString());
    return text;
  }
  static T Decode(std::string_view text) {
    T message;
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    const auto status = google::protobuf::util::JsonStringToMessage({text.data(), text.size()}, &message, options);
    if (!status.ok()) throw InvalidArgument("cannot read JSON as " + message.GetTypeName() + ": " + status.ToString());
    return message;
  }
};

}  // namespace dbos
