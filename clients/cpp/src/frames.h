// Frames: the bytes of a SessionRequest, put together from frames that were encoded one by one.
//
// An operation is encoded once, on the thread that makes it, without its seq; the seq is appended when it is written,
// so that a resend on a new stream copies bytes and encodes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dbos/v1/steps.pb.h"

namespace dbos::runtime {

// Field numbers of ClientFrame.frame.
enum class FrameKind : std::uint32_t {
  kHello = 1,
  kCredit = 2,
  kRecordStep = 3,
  kComplete = 4,
  kStart = 5,
  kAwait = 6,
  kRelease = 7,
  kPong = 8,
  kDrain = 9,
  kTransact = 12,
  kExecute = 13,
};

// Appends one frame; `body` is the serialized frame message. seq 0: the frame has none.
void AppendFrame(FrameKind kind, std::string_view body, std::uint64_t seq, std::string& message);

}  // namespace dbos::runtime
