// MigrationCall: one call that sends migrations and waits for their outcome.
//
// Threads:  gRPC's, the alarm's, and the runner's for the answer; the first of answer, refusal and cancellation ends
// it. Limits:   kMigrationCallsMax at a time, for each holds its files in memory; kReceiveTime for all files to come.
// Lifetime: shared by gRPC (until OnDone), the alarm and whoever will answer.
#pragma once

#include <atomic>
#include <memory>

#include <grpcpp/alarm.h>
#include <grpcpp/support/server_callback.h>

#include "absl/time/time.h"
#include "dbos/v1/admin.pb.h"

#include "sidecar/model/error.h"
#include "sidecar/rpc/context.h"

namespace dbos::sidecar {

class MigrationCall final : public grpc::ServerReadReactor<v1::RunMigrationsRequest>,
                            public std::enable_shared_from_this<MigrationCall> {
 public:
  static constexpr int kMigrationCallsMax = 4;
  static constexpr absl::Duration kReceiveTime = absl::Seconds(60);

  // `calls` counts those that are open. It is shared: whoever runs the migrations may let go of a call after the server
  // has gone.
  static MigrationCall* Open(RpcContext& context, grpc::CallbackServerContext* call,
                             v1::RunMigrationsResponse* response, const std::shared_ptr<std::atomic<int>>& calls);

  MigrationCall(RpcContext& context, grpc::CallbackServerContext* call, v1::RunMigrationsResponse* response,
                std::shared_ptr<std::atomic<int>> calls);
  MigrationCall(const MigrationCall&) = delete;
  MigrationCall& operator=(const MigrationCall&) = delete;
  ~MigrationCall() override;

  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void Begin();
  Error Take(v1::RunMigrationsRequest& message);
  void Answer(absl::StatusOr<std::vector<MigrationEntry>> entries);
  void Refuse(const Error& error);

  RpcContext& context_;
  grpc::CallbackServerContext* const call_;
  v1::RunMigrationsResponse* const response_;
  const std::shared_ptr<std::atomic<int>> calls_;
  const bool admitted_;
  std::shared_ptr<MigrationCall> self_;
  grpc::Alarm alarm_;  // ends the time to receive
  std::atomic<bool> received_ = false;
  std::atomic<bool> ended_ = false;

  // Only touched by the one thread that handles the current read.
  v1::RunMigrationsRequest message_;
  bool first_ = true;
  bool complete_ = false;
  std::size_t bytes_ = 0;
  MigrationRequest request_;
};

}  // namespace dbos::sidecar
