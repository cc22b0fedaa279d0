#include "sidecar/rpc/convert.h"

#include <gtest/gtest.h>

namespace dbos::sidecar {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

StepRecord FullStep() {
  StepRecord step;
  step.step_id = 7;
  step.name = "charge";
  step.outcome = Outcome{Outcome::Kind::kError, {R"({"name":"E"})", "portable_json"}};
  step.child_workflow_id = "child";
  step.started_at_ms = 1;
  step.completed_at_ms = 2;
  return step;
}

TEST(ConvertTest, AStepSurvivesTheWayThereAndBack) {
  v1::StepRecord wire;
  Put(FullStep(), &wire);
  const StepRecord back = TakeStep(wire, kNow);
  EXPECT_EQ(back.step_id, 7);
  EXPECT_EQ(back.name, "charge");
  EXPECT_EQ(back.child_workflow_id, "child");
  EXPECT_EQ(back.started_at_ms, 1);
  EXPECT_EQ(back.completed_at_ms, 2);
  ASSERT_TRUE(back.outcome);
  EXPECT_EQ(back.outcome->kind, Outcome::Kind::kError);
  EXPECT_EQ(back.outcome->payload.data, R"({"name":"E"})");
}

TEST(ConvertTest, AStepWithoutOutcomeOrTimesIsStampedAndStaysEmpty) {
  v1::StepRecord wire;
  wire.set_name("child");
  const StepRecord step = TakeStep(wire, kNow);
  EXPECT_FALSE(step.outcome);
  EXPECT_EQ(step.started_at_ms, kNow);
  EXPECT_EQ(step.completed_at_ms, kNow);
}

TEST(ConvertTest, PayloadsAreMovedNotCopied) {
  v1::StepRecord wire;
  std::string* data = wire.mutable_outcome()->mutable_value()->mutable_data();
  data->assign(10'000, 'x');
  const char* bytes = data->data();
  const StepRecord step = TakeStep(wire, kNow);
  EXPECT_EQ(step.outcome->payload.data.data(), bytes);
}

TEST(ConvertTest, EveryStatusHasAWireNumberOfItsOwn) {
  for (int number = v1::WorkflowStatus_MIN; number <= v1::WorkflowStatus_MAX; ++number) {
    const auto wire = static_cast<v1::WorkflowStatus>(number);
    EXPECT_EQ(ToWire(FromWire(wire)), wire);
  }
}

TEST(ConvertTest, AStartWithoutInputCallsWithNoArguments) {
  v1::StartWorkflowRequest wire;
  wire.set_name("checkout");
  const StartRequest start = TakeStart(wire, kNow);
  EXPECT_EQ(start.input.data, R"({"positionalArgs":[],"namedArgs":{}})");
  EXPECT_EQ(start.input.serialization, kPortableJson);
  EXPECT_FALSE(start.parent);
}

TEST(ConvertTest, AChildStartNamesItsParentsStep) {
  v1::StartWorkflowRequest wire;
  wire.set_name("ship");
  wire.mutable_parent()->set_workflow_id("p");
  wire.mutable_parent()->set_owner_token("t");
  wire.mutable_parent()->set_step_id(3);
  wire.mutable_parent()->set_completed_at_ms(5);
  const StartRequest start = TakeStart(wire, kNow);
  ASSERT_TRUE(start.parent);
  EXPECT_EQ(start.parent->execution.workflow_id, "p");
  EXPECT_EQ(start.parent->execution.owner_token, "t");
  EXPECT_EQ(start.parent->step_id, 3);
  EXPECT_EQ(start.parent->completed_at_ms, 5);
  EXPECT_EQ(start.parent->started_at_ms, 5);
}

TEST(ConvertTest, RecoveryAttemptsDefaultToTheModel) {
  v1::Registrations wire;
  wire.add_workflows()->set_name("a");
  v1::WorkflowDefinition* b = wire.add_workflows();
  b->set_name("b");
  b->set_max_recovery_attempts(3);
  const auto definitions = TakeDefinitions(wire);
  ASSERT_EQ(definitions.size(), 2U);
  EXPECT_EQ(definitions[0].max_recovery_attempts, kDefaultMaxRecoveryAttempts);
  EXPECT_EQ(definitions[1].max_recovery_attempts, 3);
}

TEST(ConvertTest, ASubscriberHasOneCreditUnlessItSaysMoreAndIsNotPinged) {
  v1::SubscribeRequest wire;
  EXPECT_EQ(TakeSubscribe(wire).credit, 1U);
  wire.mutable_credit()->set_executions(9);
  EXPECT_EQ(TakeSubscribe(wire).credit, 9U);
  EXPECT_FALSE(TakeSubscribe(wire).pinged);
}

TEST(ConvertTest, ADispatchCarriesItsReplayInOrder) {
  Dispatch dispatch;
  dispatch.execution = {"w", "t"};
  dispatch.name = "checkout";
  dispatch.input.data = "{}";
  dispatch.replay = {FullStep(), FullStep()};
  dispatch.replay[1].step_id = 8;
  dispatch.replay_complete = false;
  v1::Execution wire;
  Put(std::move(dispatch), &wire);
  EXPECT_EQ(wire.execution().owner_token(), "t");
  ASSERT_EQ(wire.replay_size(), 2);
  EXPECT_EQ(wire.replay(1).step_id(), 8);
  EXPECT_FALSE(wire.replay_complete());
}

}  // namespace
}  // namespace dbos::sidecar
