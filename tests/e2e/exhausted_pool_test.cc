// More callers than connections: each is told so when his own time is over, however many wait with him.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "dbos/v1/workflows.grpc.pb.h"

#include "tests/e2e/process.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

constexpr int kConnections = 6;
constexpr int kCallers = 12;
constexpr absl::Duration kTimeout = absl::Seconds(1);

class ExhaustedPoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run";
    world_.StartSidecar("", {"--pool-size", std::to_string(kConnections), "--pool-timeout", "1"});
    const auto channel = grpc::CreateChannel(world_.address(), grpc::InsecureChannelCredentials());
    ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20)));
    workflows_ = v1::WorkflowService::NewStub(channel);
  }

  grpc::Status ListSteps() {
    grpc::ClientContext context;
    v1::ListStepsRequest request;
    request.set_workflow_id("w");
    v1::ListStepsResponse response;
    return workflows_->ListSteps(&context, request, &response);
  }
  grpc::Status ListWorkflows() {
    grpc::ClientContext context;
    v1::ListWorkflowsResponse response;
    return workflows_->ListWorkflows(&context, v1::ListWorkflowsRequest(), &response);
  }
  // Whoever reads steps waits until this is unlocked, and holds a connection.
  std::unique_ptr<PGconn, decltype(&PQfinish)> LockSteps() const {
    std::unique_ptr<PGconn, decltype(&PQfinish)> lock(PQconnectdb(world_.database_url().c_str()), &PQfinish);
    PQclear(PQexec(lock.get(), "BEGIN; LOCK TABLE dbos.operation_outputs IN ACCESS EXCLUSIVE MODE"));
    EXPECT_EQ(PQtransactionStatus(lock.get()), PQTRANS_INTRANS) << PQerrorMessage(lock.get());
    return lock;
  }
  int Blocked() const {
    return std::atoi(world_
                         .Query("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                                "wait_event_type = 'Lock'")[0]
                         .c_str());
  }

  World world_{DatabaseKind::kPostgres};
  std::unique_ptr<v1::WorkflowService::Stub> workflows_;
};

TEST_F(ExhaustedPoolTest, EveryCallerIsToldWhenHisTimeIsOver) {
  auto lock = LockSteps();
  std::vector<std::thread> threads;
  for (int n = 0; n < kConnections; ++n) {
    threads.emplace_back([this] {
      const grpc::Status status = ListSteps();
      EXPECT_TRUE(status.ok()) << status.error_message();
    });
  }
  EXPECT_TRUE(Eventually(absl::Seconds(20), [this] { return Blocked() == kConnections; })) << world_.Logs();
  std::mutex mu;
  std::vector<absl::Duration> waits;
  std::vector<std::thread> callers;
  for (int n = 0; n < kCallers; ++n) {
    callers.emplace_back([&] {
      const absl::Duration began = SinceBoot();
      const grpc::Status status = ListWorkflows();
      const std::lock_guard<std::mutex> guard(mu);
      waits.push_back(SinceBoot() - began);
      EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED) << status.error_message();
      EXPECT_NE(status.error_message().find("QueuePool limit of size 6 overflow 0 reached"), std::string::npos)
          << status.error_message();
      EXPECT_NE(status.error_message().find("in use by list_steps for "), std::string::npos);
    });
  }
  for (std::thread& thread : callers) thread.join();
  std::sort(waits.begin(), waits.end());
  EXPECT_GE(waits.front(), kTimeout);
  EXPECT_LT(waits.back(), 5 * kTimeout) << "one after the other they would take " << kCallers << " times as long";
  std::printf("told after %.2f to %.2f s\n", absl::ToDoubleSeconds(waits.front()), absl::ToDoubleSeconds(waits.back()));
  lock.reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(ListWorkflows().ok());
}

}  // namespace
}  // namespace dbos::sidecar
