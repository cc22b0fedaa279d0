#include <chrono>
#include <string>

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <gtest/gtest.h>

#include "tests/sidecar/rpc/door_fixture.h"

namespace dbos::sidecar {
namespace {

class ServicesTest : public DoorFixture {
 protected:
  grpc::Status Start(const std::string& id, const std::string& name) {
    grpc::ClientContext context;
    v1::StartWorkflowRequest request;
    request.set_workflow_id(id);
    request.set_name(name);
    v1::StartWorkflowResponse response;
    return workflows_->StartWorkflow(&context, request, &response);
  }

  grpc::Status Get(const std::string& id, v1::GetWorkflowResponse* response) {
    grpc::ClientContext context;
    v1::GetWorkflowRequest request;
    request.set_workflow_id(id);
    request.set_with_input(true);
    return workflows_->GetWorkflow(&context, request, response);
  }
};

TEST_F(ServicesTest, AStartWithoutAWorkerIsKeptForOne) {
  ASSERT_TRUE(Start("w", "checkout").ok());
  v1::GetWorkflowResponse found;
  ASSERT_TRUE(Get("w", &found).ok());
  EXPECT_EQ(found.workflow().status(), v1::WORKFLOW_STATUS_ENQUEUED);
  EXPECT_EQ(found.workflow().application_name(), "shop");
  EXPECT_EQ(found.workflow().input().data(), R"({"positionalArgs":[],"namedArgs":{}})");
}

TEST_F(ServicesTest, TheSameIdWithAnotherNameIsAConflict) {
  ASSERT_TRUE(Start("w", "checkout").ok());
  const grpc::Status status = Start("w", "refund");
  EXPECT_EQ(status.error_code(), grpc::ALREADY_EXISTS);
  EXPECT_NE(status.error_message().find("checkout"), std::string::npos) << status.error_message();
  EXPECT_NE(status.error_message().find("refund"), std::string::npos) << status.error_message();
}

TEST_F(ServicesTest, AnUnknownWorkflowIsNotFound) {
  v1::GetWorkflowResponse found;
  const grpc::Status status = Get("nobody", &found);
  EXPECT_EQ(status.error_code(), grpc::NOT_FOUND);
  EXPECT_NE(status.error_message().find("nobody"), std::string::npos);
}

TEST_F(ServicesTest, ABadRequestNamesItsField) {
  const grpc::Status status = Start("w", "");
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("name"), std::string::npos);
}

TEST_F(ServicesTest, ListsNewestFirstAndByStatus) {
  ASSERT_TRUE(Start("a", "checkout").ok());
  ASSERT_TRUE(Start("b", "refund").ok());
  grpc::ClientContext context;
  v1::ListWorkflowsRequest request;
  request.set_name("refund");
  request.add_status(v1::WORKFLOW_STATUS_ENQUEUED);
  v1::ListWorkflowsResponse response;
  ASSERT_TRUE(workflows_->ListWorkflows(&context, request, &response).ok());
  ASSERT_EQ(response.workflows_size(), 1);
  EXPECT_EQ(response.workflows(0).workflow_id(), "b");
  EXPECT_FALSE(response.workflows(0).has_input());
}

TEST_F(ServicesTest, ACancelledWorkflowEndsTheWaitForIt) {
  ASSERT_TRUE(Start("w", "checkout").ok());
  grpc::ClientContext cancel_context;
  v1::CancelWorkflowRequest cancel;
  cancel.set_workflow_id("w");
  v1::CancelWorkflowResponse cancelled;
  ASSERT_TRUE(workflows_->CancelWorkflow(&cancel_context, cancel, &cancelled).ok());
  grpc::ClientContext context;
  v1::AwaitWorkflowRequest request;
  request.set_workflow_id("w");
  v1::AwaitWorkflowResponse response;
  ASSERT_TRUE(workflows_->AwaitWorkflow(&context, request, &response).ok());
  EXPECT_EQ(response.status(), v1::WORKFLOW_STATUS_CANCELLED);
}

TEST_F(ServicesTest, AWaitEndsWithItsTimeout) {
  grpc::ClientContext context;
  v1::AwaitWorkflowRequest request;
  request.set_workflow_id("not yet there");
  request.set_timeout_ms(50);
  v1::AwaitWorkflowResponse response;
  ASSERT_TRUE(workflows_->AwaitWorkflow(&context, request, &response).ok());
  EXPECT_EQ(response.status(), v1::WORKFLOW_STATUS_UNSPECIFIED);
}

TEST_F(ServicesTest, AWaitEndsWithTheCallsDeadlineAndTheServerCanStop) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  v1::AwaitWorkflowRequest request;
  request.set_workflow_id("never");
  v1::AwaitWorkflowResponse response;
  EXPECT_EQ(workflows_->AwaitWorkflow(&context, request, &response).error_code(), grpc::DEADLINE_EXCEEDED);
}

TEST_F(ServicesTest, InfoTellsWhatTheSidecarIs) {
  grpc::ClientContext context;
  v1::GetInfoResponse info;
  ASSERT_TRUE(admin_->GetInfo(&context, v1::GetInfoRequest(), &info).ok());
  EXPECT_EQ(info.sidecar_version(), "1.2.3");
  EXPECT_EQ(info.application_name(), "shop");
  EXPECT_EQ(info.protocol_max(), 1U);
  EXPECT_EQ(info.schema_version(), 123U);
  EXPECT_FALSE(info.draining());
}

TEST_F(ServicesTest, DrainTellsSessionsAndShowsInInfo) {
  SessionClient client(channel_);
  client.Greet();
  grpc::ClientContext context;
  v1::DrainRequest drain;
  drain.set_finish_within_ms(500);
  v1::DrainResponse response;
  ASSERT_TRUE(admin_->Drain(&context, drain, &response).ok());
  EXPECT_EQ(client.Next(v1::ServerFrame::kDrain).drain().finish_within_ms(), 500);
  grpc::ClientContext info_context;
  v1::GetInfoResponse info;
  ASSERT_TRUE(admin_->GetInfo(&info_context, v1::GetInfoRequest(), &info).ok());
  EXPECT_TRUE(info.draining());
}

// grpc.health.v1 without its proto: a name in field 1 asks, a number in field 1 answers. Ours have the same wire form.
class HealthTest : public DoorFixture {
 protected:
  static constexpr std::int64_t kServing = 1;
  static constexpr std::int64_t kNotServing = 2;

  std::int64_t Ask(const std::string& service) {
    grpc::ClientContext context;
    v1::CancelWorkflowRequest request;
    request.set_workflow_id(service);
    v1::DrainRequest answer;
    const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check", grpc::internal::RpcMethod::NORMAL_RPC);
    grpc::internal::BlockingUnaryCallImpl<v1::CancelWorkflowRequest, v1::DrainRequest> call(channel_.get(), method,
                                                                                            &context, request, &answer);
    const grpc::Status status = call.status();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answer.finish_within_ms();
  }
};

TEST_F(HealthTest, FollowsTheDatabaseAndTheSessions) {
  EXPECT_EQ(Ask(""), kServing);
  EXPECT_EQ(Ask("dbos.v1"), kNotServing);
  server_->SetHealth({.database_reachable = true, .accepting_sessions = false});
  EXPECT_EQ(Ask("dbos.v1"), kServing);
  EXPECT_EQ(Ask("dbos.v1.StepService"), kNotServing);
  server_->SetHealth({.database_reachable = false, .accepting_sessions = true});
  EXPECT_EQ(Ask("dbos.v1"), kNotServing);
  EXPECT_EQ(Ask("dbos.v1.StepService"), kServing);
  EXPECT_EQ(Ask(""), kServing);
}

}  // namespace
}  // namespace dbos::sidecar
