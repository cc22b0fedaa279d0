#include "repeat_call.h"

#include <string>
#include <thread>

#include <dbos/errors.h>

#include "deadline.h"
#include "protocol_errors.h"

namespace dbos::runtime {
namespace {

using std::chrono::system_clock;

constexpr std::chrono::milliseconds kRepeatDelay{50};

}  // namespace

void RepeatCall(std::chrono::milliseconds timeout, const std::function<grpc::Status(grpc::ClientContext&)>& call) {
  const auto deadline = DeadlineAfter<system_clock>(timeout);
  for (;;) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(deadline);
    const grpc::Status status = call(context);
    if (status.ok()) return;
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED && ReasonOf(context) == v1::REASON_UNSPECIFIED) {
      throw SidecarUnavailable("the sidecar did not answer within " + std::to_string(timeout.count()) +
                               " ms; is it running, and is its address right?");
    }
    const bool transient = status.error_code() == grpc::StatusCode::UNAVAILABLE;
    if (!transient || system_clock::now() + kRepeatDelay >= deadline) ThrowIfFailed(status, context);
    std::this_thread::sleep_for(kRepeatDelay);
  }
}

}  // namespace dbos::runtime
