// GrpcServer: the services behind one gRPC server that is handed its connections. It names no gRPC type, so that the
// layer above needs none.
//
// Threads:  any. Blocking: Shutdown only.
// Lifetime: what the context refers to outlives it. Shut it down before they go.
#pragma once

#include <memory>

#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

enum class Reflection { kOn, kOff };

// What the standard health service says: "" lives as long as the process.
struct Health {
  bool database_reachable = false;  // service "dbos.v1"
  bool accepting_sessions = false;  // service "dbos.v1.StepService"
};

class GrpcServer {
 public:
  // Null if gRPC refuses to start, which is a fault of the build or of memory.
  static std::unique_ptr<GrpcServer> Start(RpcContext context, Reflection reflection);
  ~GrpcServer();  // Shutdown, if nobody did
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // Takes over a connected, non-blocking socket. Not after Shutdown.
  void HandleConnection(int fd);

  void SetHealth(const Health& health);

  // Calls have `grace` to end, then they are cancelled. Returns when the last one is gone.
  void Shutdown(absl::Duration grace);

 private:
  class Services;
  explicit GrpcServer(std::unique_ptr<Services> services);

  std::unique_ptr<Services> services_;
};

}  // namespace dbos::sidecar
