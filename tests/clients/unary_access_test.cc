// UnaryAccess against a WorkflowService of the test: what it asks for, and pages.
#include "clients/cpp/src/unary_access.h"

#include <memory>
#include <vector>

#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

namespace dbos::detail {
namespace {

constexpr int kSteps = 5;

// Lists one step to a page.
class OneByOne final : public v1::WorkflowService::Service {
 public:
  grpc::Status ListSteps(grpc::ServerContext* /*context*/, const v1::ListStepsRequest* request,
                         v1::ListStepsResponse* response) override {
    const int next = request->after_step_id() + 1;
    response->add_steps()->set_step_id(next);
    response->set_more(next + 1 < kSteps);
    return grpc::Status::OK;
  }
  grpc::Status GetWorkflow(grpc::ServerContext* /*context*/, const v1::GetWorkflowRequest* request,
                           v1::GetWorkflowResponse* response) override {
    asked = *request;
    response->mutable_workflow()->set_status(v1::WORKFLOW_STATUS_SUCCESS);
    return grpc::Status::OK;
  }
  v1::GetWorkflowRequest asked;
};

class UnaryAccessTest : public ::testing::Test {
 protected:
  ~UnaryAccessTest() override { server_->Shutdown(); }

  OneByOne service_;
  const std::unique_ptr<grpc::Server> server_ = grpc::ServerBuilder().RegisterService(&service_).BuildAndStart();
  UnaryAccess access_{server_->InProcessChannel({}), std::chrono::seconds(10)};
};

TEST_F(UnaryAccessTest, StepsAreAskedForUntilThereAreNoMore) {
  const std::vector<StepInfo> steps = access_.Steps("w");
  ASSERT_EQ(steps.size(), static_cast<std::size_t>(kSteps));
  for (int step = 0; step < kSteps; ++step) EXPECT_EQ(steps[static_cast<std::size_t>(step)].step_id, step);
}

TEST_F(UnaryAccessTest, AStatusIsAskedForWithoutPayloads) {
  EXPECT_EQ(access_.Status("w"), WorkflowStatus::kSuccess);
  EXPECT_FALSE(service_.asked.with_input() || service_.asked.with_outcome());
  access_.Describe("w");
  EXPECT_TRUE(service_.asked.with_input() && service_.asked.with_outcome());
}

}  // namespace
}  // namespace dbos::detail
