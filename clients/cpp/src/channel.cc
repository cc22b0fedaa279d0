#include "channel.h"

#include <cstdlib>

#include <unistd.h>

#include "absl/synchronization/mutex.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

#include "request_limits.h"

namespace dbos::runtime {
namespace {

constexpr char kContainerDirectory[] = "/run/dbos";  // the same rule as the sidecar's

}  // namespace

std::string ResolveAddress(const std::string& given) {
  if (!given.empty()) return given;
  // Read once, when the app or client is made; nobody writes the environment then.
  const char* from_environment = std::getenv("DBOS_SIDECAR_ADDRESS");  // NOLINT(concurrency-mt-unsafe)
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  if (access(kContainerDirectory, F_OK) == 0) return std::string("unix:") + kContainerDirectory + "/sidecar.sock";
  return "unix:./.dbos/sidecar.sock";
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address) {
  // Debian's Abseil ships with a detector that aborts the process on gRPC's own, harmless lock orders.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // no bandwidth to find out: the other end is on this machine
  args.SetMaxReceiveMessageSize(kMessageBytesMax);
  args.SetMaxSendMessageSize(kMessageBytesMax);
  // A channel of our own: not shared with the program's other stubs to the same address.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), args);
}

}  // namespace dbos::runtime
