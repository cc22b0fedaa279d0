// What only the unary door has: requests of several operations, which a caller repeats when it got no answer.
#include "absl/time/clock.h"

#include "tests/conformance/conformance_fixture.h"

namespace dbos::sidecar {
namespace {

class UnaryTest : public ConformanceTest {
 protected:
  Answer Complete(const v1::CompleteWorkflowRequest& request) const {
    v1::CompleteWorkflowResponse response;
    grpc::ClientContext call;
    return ToAnswer(v1::StepService::NewStub(channel)->CompleteWorkflow(&call, request, &response), call);
  }
};

// The times of its steps are left to the sidecar, so they differ from one try to the next.
TEST_P(UnaryTest, ACompletionThatIsRepeatedIsAcknowledgedAgain) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  v1::CompleteWorkflowRequest request;
  *request.mutable_execution() = Begin(*door, "order-1").execution();
  *request.mutable_outcome() = Value("7");
  for (int step_id = 0; step_id < 3; ++step_id) {
    *request.add_trailing() = Step(step_id, "charge", "1");
    request.mutable_trailing(step_id)->clear_started_at_ms();
    request.mutable_trailing(step_id)->clear_completed_at_ms();
  }
  ASSERT_TRUE(Complete(request).ok());
  const std::int64_t recorded_ms = Steps("order-1").steps(0).completed_at_ms();
  ASSERT_TRUE(Eventually(absl::Seconds(1), [&] { return absl::ToUnixMillis(absl::Now()) > recorded_ms; }));
  const Answer again = Complete(request);
  EXPECT_TRUE(again.ok()) << again.reason << " " << again.message;
  EXPECT_EQ(Steps("order-1").steps(0).completed_at_ms(), recorded_ms);

  *request.mutable_trailing(1)->mutable_outcome() = Value("2");
  EXPECT_EQ(Complete(request).reason, "REASON_WORKFLOW_TERMINAL") << "not what is recorded";
  *request.mutable_trailing(1)->mutable_outcome() = Value("1");
  *request.mutable_outcome() = Value("8");
  EXPECT_EQ(Complete(request).reason, "REASON_WORKFLOW_TERMINAL") << "not what is recorded";
}

INSTANTIATE_TEST_SUITE_P(All, UnaryTest,
                         ::testing::Combine(::testing::ValuesIn(ConformanceDatabaseKinds()),
                                            ::testing::Values(DoorKind::kUnary)),
                         [](const auto& test) { return ToString(std::get<0>(test.param)); });

}  // namespace
}  // namespace dbos::sidecar
