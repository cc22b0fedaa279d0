// ConformanceTest: a sidecar process over each database, and each door into it.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include "tests/conformance/session_door.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {

// Each test its own connection: channels to one address are shared otherwise.
inline grpc::ChannelArguments Quick() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  arguments.SetMaxReceiveMessageSize(16 << 20);
  arguments.SetMaxSendMessageSize(16 << 20);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

class ConformanceTest : public ::testing::TestWithParam<std::tuple<DatabaseKind, DoorKind>> {
 protected:
  ConformanceTest() {
    world.StartSidecar("", {"--name", "conformance", "--ping-timeout", "2"});
    channel = grpc::CreateCustomChannel(world.address(), grpc::InsecureChannelCredentials(), Quick());
    EXPECT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20))) << world.Logs();
    workflows = v1::WorkflowService::NewStub(channel);
  }

  void TearDown() override {
    if (world.cockroach() == nullptr) return;
    EXPECT_EQ(world.cockroach()->profile().refusals(), 0) << "it was asked for what CockroachDB lacks";
  }

  std::unique_ptr<Door> Open() const { return OpenDoor(std::get<1>(GetParam()), channel); }

  v1::Execution Begin(Door& door, const std::string& id) {
    v1::StartWorkflowResponse response;
    const Answer answer = door.Start(StartOf(id), &response);
    EXPECT_TRUE(answer.ok()) << answer.reason << " " << answer.message;
    auto execution = door.Next();
    EXPECT_TRUE(execution.has_value()) << world.Logs();
    return execution.value_or(v1::Execution());
  }

  v1::AwaitWorkflowResponse Await(const std::string& id, std::int64_t timeout_ms = 10'000) const {
    v1::AwaitWorkflowRequest request;
    request.set_workflow_id(id);
    request.set_timeout_ms(timeout_ms);
    v1::AwaitWorkflowResponse response;
    grpc::ClientContext call;
    const grpc::Status status = workflows->AwaitWorkflow(&call, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  v1::ListStepsResponse Steps(const std::string& id) const {
    v1::ListStepsRequest request;
    request.set_workflow_id(id);
    request.set_after_step_id(-1);
    request.set_with_outcome(true);
    v1::ListStepsResponse response;
    grpc::ClientContext call;
    EXPECT_TRUE(workflows->ListSteps(&call, request, &response).ok());
    return response;
  }

  v1::WorkflowInfo Get(const std::string& id) const {
    v1::GetWorkflowRequest request;
    request.set_workflow_id(id);
    request.set_with_input(true);
    request.set_with_outcome(true);
    v1::GetWorkflowResponse response;
    grpc::ClientContext call;
    EXPECT_TRUE(workflows->GetWorkflow(&call, request, &response).ok());
    return response.workflow();
  }

  void Cancel(const std::string& id) const {
    v1::CancelWorkflowRequest request;
    request.set_workflow_id(id);
    v1::CancelWorkflowResponse response;
    grpc::ClientContext call;
    EXPECT_TRUE(workflows->CancelWorkflow(&call, request, &response).ok());
  }

  World world{std::get<0>(GetParam())};
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::WorkflowService::Stub> workflows;
};

// Every door on the databases that differ most; on their next of kin, the door that sees most of a database.
inline std::vector<std::tuple<DatabaseKind, DoorKind>> DatabasesAndDoors() {
  std::vector<std::tuple<DatabaseKind, DoorKind>> rows;
  for (const DatabaseKind kind : ConformanceDatabaseKinds()) {
    rows.emplace_back(kind, DoorKind::kSession);
    if (kind != DatabaseKind::kPlayedCockroach) rows.emplace_back(kind, DoorKind::kUnary);
  }
  rows.emplace_back(DatabaseKind::kSqliteMemory, DoorKind::kSession);
  if (std::getenv("DBOS_TEST_POSTGRES18_URL") != nullptr) {
    rows.emplace_back(DatabaseKind::kPostgres18, DoorKind::kSession);
  }
  return rows;
}

// Those that outlive their sidecar.
inline std::vector<std::tuple<DatabaseKind, DoorKind>> LastingDatabasesAndDoors() {
  auto rows = DatabasesAndDoors();
  std::erase_if(rows, [](const auto& row) { return std::get<0>(row) == DatabaseKind::kSqliteMemory; });
  return rows;
}

inline std::string NameOfRow(const ::testing::TestParamInfo<std::tuple<DatabaseKind, DoorKind>>& test) {
  return ToString(std::get<0>(test.param)) + "_" + ToString(std::get<1>(test.param));
}

#define INSTANTIATE_OVER_DATABASES_AND_DOORS(suite) \
  INSTANTIATE_TEST_SUITE_P(All, suite, ::testing::ValuesIn(DatabasesAndDoors()), NameOfRow)

}  // namespace dbos::sidecar
