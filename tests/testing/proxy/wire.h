// Cuts PostgreSQL wire messages (protocol 3.0) out of a byte stream.
//
// Threads: plain functions. Lifetime: a message points into the bytes it was cut from.
// Limits: a message longer than kMaxMessageBytes is an error, because the proxy keeps whole messages in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dbos::testing {

inline constexpr size_t kMaxMessageBytes = size_t{256} << 20;

enum class Framing { kComplete, kIncomplete, kTooLarge };

// A typed message: everything after the start-up packet, in both directions.
struct WireMessage {
  char type = 0;
  std::string_view body;   // without type and length
  std::string_view whole;  // as sent
};

enum class StartupKind { kStartup, kCancel, kEncryptionRequest };

// The first packet of a connection has no type byte. Several encryption requests may come before the real one.
struct StartupPacket {
  StartupKind kind = StartupKind::kStartup;
  std::string_view whole;
};

Framing NextMessage(std::string_view bytes, WireMessage& message);
Framing NextStartup(std::string_view bytes, StartupPacket& packet);

// Takes a zero-terminated string off the front of `body`; the empty string when the terminator is missing.
std::string_view TakeString(std::string_view& body);

}  // namespace dbos::testing
