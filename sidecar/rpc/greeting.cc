#include "sidecar/rpc/greeting.h"

#include <atomic>
#include <string>

#include "sidecar/rpc/validate.h"

namespace dbos::sidecar {
namespace {

Error CheckApplication(const std::string& theirs, const SidecarInfo& info) {
  if (theirs == info.application_name) return {};
  return {Reason::kApplicationMismatch, "this sidecar serves the application \"" + info.application_name +
                                            "\", the process says it is \"" + theirs +
                                            "\": use the same name in both, or start a sidecar of its own"};
}

}  // namespace

Error CheckGreeting(const v1::Hello& hello, const SidecarInfo& info) {
  if (hello.protocol_min() > kProtocolVersion || hello.protocol_max() < kProtocolVersion) {
    const std::string version = std::to_string(kProtocolVersion);
    return {Reason::kUnsupported, "no common protocol version: the client speaks " +
                                      std::to_string(hello.protocol_min()) + " to " +
                                      std::to_string(hello.protocol_max()) + ", the sidecar " + version + " to " +
                                      version + ": update the older of the two"};
  }
  if (Error error = Check(hello); !error.ok()) return error;
  return CheckApplication(hello.application_name(), info);
}

Error CheckGreeting(const v1::SubscribeRequest& request, const SidecarInfo& info) {
  if (Error error = Check(request); !error.ok()) return error;
  return CheckApplication(request.application_name(), info);
}

SessionId NextSessionId() {
  static std::atomic<SessionId> last = kNoSession;
  return ++last;
}

}  // namespace dbos::sidecar
