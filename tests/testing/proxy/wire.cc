#include "tests/testing/proxy/wire.h"

namespace dbos::testing {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr uint32_t kCancelRequest = 80877102;
constexpr uint32_t kSslRequest = 80877103;
constexpr uint32_t kGssRequest = 80877104;

uint32_t ReadUint32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

Framing NextMessage(std::string_view bytes, WireMessage& message) {
  if (bytes.size() < 1 + kLengthBytes) return Framing::kIncomplete;
  const size_t length = ReadUint32(bytes.substr(1));
  if (length < kLengthBytes || length > kMaxMessageBytes) return Framing::kTooLarge;
  if (bytes.size() < 1 + length) return Framing::kIncomplete;
  message.type = bytes.front();
  message.whole = bytes.substr(0, 1 + length);
  message.body = message.whole.substr(1 + kLengthBytes);
  return Framing::kComplete;
}

Framing NextStartup(std::string_view bytes, StartupPacket& packet) {
  if (bytes.size() < 2 * kLengthBytes) return Framing::kIncomplete;
  const size_t length = ReadUint32(bytes);
  if (length < 2 * kLengthBytes || length > kMaxMessageBytes) return Framing::kTooLarge;
  if (bytes.size() < length) return Framing::kIncomplete;
  const uint32_t code = ReadUint32(bytes.substr(kLengthBytes));
  packet.whole = bytes.substr(0, length);
  packet.kind = StartupKind::kStartup;
  if (code == kCancelRequest) packet.kind = StartupKind::kCancel;
  if (code == kSslRequest || code == kGssRequest) packet.kind = StartupKind::kEncryptionRequest;
  return Framing::kComplete;
}

std::string_view TakeString(std::string_view& body) {
  const size_t end = body.find('\0');
  if (end == std::string_view::npos) return {};
  const std::string_view text = body.substr(0, end);
  body.remove_prefix(end + 1);
  return text;
}

}  // namespace dbos::testing
