// UnaryAccess: WorkflowService over unary calls, for Client and for what an App asks outside of its session.
//
// Blocking: every call is one round trip, repeated with the same request while the sidecar is away, until
//           `request_timeout` is over. Await goes on for as long as it takes, across restarts of the sidecar.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dbos/detail/workflow_access.h>
#include <dbos/workflow_info.h>

#include "dbos/v1/workflows.grpc.pb.h"
#include "grpcpp/channel.h"

namespace dbos::detail {

class UnaryAccess final : public WorkflowAccess {
 public:
  UnaryAccess(const std::shared_ptr<grpc::Channel>& channel, std::chrono::milliseconds request_timeout);

  std::string Start(std::string_view name, const StartOptions& options, std::string input) override;
  std::string Await(const std::string& workflow_id, std::optional<std::chrono::milliseconds> timeout) override;
  WorkflowInfo Describe(const std::string& workflow_id) override;
  WorkflowStatus Status(const std::string& workflow_id) override;

  std::vector<WorkflowInfo> List(const ListOptions& options);
  std::vector<StepInfo> Steps(const std::string& workflow_id);
  void Cancel(const std::string& workflow_id);

 private:
  using Call = std::function<grpc::Status(grpc::ClientContext&)>;
  // Repeats `call` while it fails for want of a sidecar or its database; throws any other failure.
  void Repeat(const Call& call) const;
  WorkflowInfo Get(const v1::GetWorkflowRequest& request) const;

  const std::unique_ptr<v1::WorkflowService::Stub> stub_;
  const std::chrono::milliseconds request_timeout_;
};

}  // namespace dbos::detail
