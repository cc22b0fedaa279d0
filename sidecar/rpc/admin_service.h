// AdminService: what the sidecar is, and how to take it out of service.
//
// Threads:  gRPC's. Blocking: never.
// Lifetime: outlives the server it is registered with.
#pragma once

#include <atomic>
#include <memory>

#include "dbos/v1/admin.grpc.pb.h"

#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

class AdminService final : public v1::AdminService::CallbackService {
 public:
  explicit AdminService(RpcContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* call, const v1::GetInfoRequest* request,
                                    v1::GetInfoResponse* response) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* call, const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;
  grpc::ServerReadReactor<v1::RunMigrationsRequest>* RunMigrations(grpc::CallbackServerContext* call,
                                                                   v1::RunMigrationsResponse* response) override;

 private:
  RpcContext& context_;
  const std::shared_ptr<std::atomic<int>> migration_calls_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace dbos::sidecar
