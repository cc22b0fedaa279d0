#include "frames.h"

#include <array>

#include "google/protobuf/io/coded_stream.h"

namespace dbos::runtime {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr std::uint32_t kFramesTag = (1U << 3U) | 2U;  // SessionRequest.frames
constexpr std::uint8_t kSeqTag = 1U << 3U;             // field 1, varint, of every operation frame

void AppendVarint(std::uint32_t value, std::string& out) {
  std::array<std::uint8_t, 5> bytes{};
  const std::uint8_t* end = CodedOutputStream::WriteVarint32ToArray(value, bytes.data());
  out.append(bytes.begin(), bytes.begin() + (end - bytes.data()));
}

}  // namespace

void AppendFrame(FrameKind kind, std::string_view body, std::uint64_t seq, std::string& message) {
  std::array<std::uint8_t, 11> tail{};
  std::size_t tail_size = 0;
  if (seq != 0) {
    tail[0] = kSeqTag;
    const std::uint8_t* end = CodedOutputStream::WriteVarint64ToArray(seq, tail.data() + 1);
    tail_size = static_cast<std::size_t>(end - tail.data());
  }
  const auto inner = static_cast<std::uint32_t>(body.size() + tail_size);
  const std::uint32_t inner_tag = (static_cast<std::uint32_t>(kind) << 3U) | 2U;
  const std::uint32_t frame = static_cast<std::uint32_t>(CodedOutputStream::VarintSize32(inner_tag)) +
                              static_cast<std::uint32_t>(CodedOutputStream::VarintSize32(inner)) + inner;
  AppendVarint(kFramesTag, message);
  AppendVarint(frame, message);
  AppendVarint(inner_tag, message);
  AppendVarint(inner, message);
  message.append(body).append(tail.begin(), tail.begin() + static_cast<std::ptrdiff_t>(tail_size));
}

}  // namespace dbos::runtime
