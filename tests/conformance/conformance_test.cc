// What a process that runs workflows may rely on: every scenario on each database and through both doors, with bare
// generated stubs against a real sidecar process.
#include "tests/conformance/conformance_fixture.h"

namespace dbos::sidecar {
namespace {

TEST_P(ConformanceTest, AWorkflowRunsAndEveryByteComesBack) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution execution = Begin(*door, "order-1");
  EXPECT_EQ(execution.input().data(), R"({"positionalArgs":[1,"två"]})");
  EXPECT_TRUE(execution.replay().empty());
  // Spacing, key order, big integers and escapes are the writer's own.
  const std::string odd = "{ \"b\" : 9007199254740993, \"a\":[1e2,\"\\u00e9é\\n\"] , \"a\":-0.0}";
  EXPECT_TRUE(door->Record(execution.execution(), Step(0, "charge", odd)).ok());
  EXPECT_TRUE(door->Record(execution.execution(), Step(1, "void", "null")).ok());
  EXPECT_TRUE(door->Complete(execution.execution(), Value(odd)).ok());
  const v1::AwaitWorkflowResponse end = Await("order-1");
  EXPECT_EQ(end.status(), v1::WORKFLOW_STATUS_SUCCESS);
  EXPECT_EQ(end.outcome().value().data(), odd);
  const v1::ListStepsResponse steps = Steps("order-1");
  ASSERT_EQ(steps.steps_size(), 2);
  EXPECT_EQ(steps.steps(0).outcome().value().data(), odd);
  EXPECT_EQ(steps.steps(1).outcome().value().data(), "null");
  EXPECT_EQ(steps.steps(1).completed_at_ms(), 1'800'000'000'001);
}

TEST_P(ConformanceTest, AFailureIsAnOutcomeLikeAnyOther) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution execution = Begin(*door, "order-1");
  v1::StepRecord step = Step(0, "charge", "");
  *step.mutable_outcome() = Failure(R"({"name":"CardDeclined","message":"no"})");
  EXPECT_TRUE(door->Record(execution.execution(), step).ok());
  EXPECT_TRUE(door->Complete(execution.execution(), Failure(R"({"name":"OrderFailed","message":"card"})")).ok());
  const v1::AwaitWorkflowResponse end = Await("order-1");
  EXPECT_EQ(end.status(), v1::WORKFLOW_STATUS_ERROR);
  EXPECT_EQ(end.outcome().error().data(), R"({"name":"OrderFailed","message":"card"})");
  EXPECT_EQ(Steps("order-1").steps(0).outcome().error().data(), R"({"name":"CardDeclined","message":"no"})");
}

TEST_P(ConformanceTest, TheSameIdIsTheSameWorkflowAndAnotherNameIsAConflict) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution execution = Begin(*door, "order-1");
  v1::StartWorkflowResponse again;
  EXPECT_TRUE(door->Start(StartOf("order-1"), &again).ok());
  EXPECT_FALSE(again.created());
  const Answer conflict = door->Start(StartOf("order-1", "refund"), &again);
  EXPECT_EQ(conflict.reason, "REASON_WORKFLOW_CONFLICT");
  EXPECT_NE(conflict.message.find("checkout"), std::string::npos) << conflict.message;
  EXPECT_NE(conflict.message.find("refund"), std::string::npos) << conflict.message;
  EXPECT_FALSE(door->Next(300).has_value());
  EXPECT_TRUE(door->Complete(execution.execution(), Value("1")).ok());
  EXPECT_TRUE(door->Start(StartOf("order-1"), &again).ok());
  EXPECT_EQ(again.status(), v1::WORKFLOW_STATUS_SUCCESS);
}

TEST_P(ConformanceTest, AnotherProcessGetsTheRecordedStepsAndTheOldOneIsFenced) {
  auto first = Open();
  ASSERT_TRUE(first->Attach({}).ok());
  const v1::Execution old = Begin(*first, "order-1");
  ASSERT_TRUE(first->Record(old.execution(), Step(0, "charge", "\"paid\"")).ok());
  auto second = Open();
  ASSERT_TRUE(second->Attach({}).ok());
  first->Detach();
  const auto taken = second->Next();
  ASSERT_TRUE(taken.has_value()) << world.Logs();
  EXPECT_EQ(taken->recovery_attempts(), 2);
  ASSERT_EQ(taken->replay_size(), 1);
  EXPECT_EQ(taken->replay(0).name(), "charge");
  EXPECT_EQ(taken->replay(0).outcome().value().data(), "\"paid\"");
  auto zombie = Open();
  ASSERT_TRUE(zombie->Attach({.workflows = {}}).ok());
  EXPECT_EQ(zombie->Record(old.execution(), Step(1, "ship", "1")).reason, "REASON_FENCED");
  EXPECT_EQ(zombie->Complete(old.execution(), Value("\"stolen\"")).reason, "REASON_FENCED");
  EXPECT_TRUE(second->Record(taken->execution(), Step(1, "ship", "2")).ok());
  EXPECT_TRUE(second->Complete(taken->execution(), Value("\"mine\"")).ok());
  EXPECT_EQ(Await("order-1").outcome().value().data(), "\"mine\"");
  EXPECT_EQ(Steps("order-1").steps_size(), 2);
}

TEST_P(ConformanceTest, RecordingAgainIsHarmlessAndRecordingSomethingElseIsRefused) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution execution = Begin(*door, "order-1");
  EXPECT_TRUE(door->Record(execution.execution(), Step(0, "charge", "1")).ok());
  EXPECT_TRUE(door->Record(execution.execution(), Step(0, "charge", "1")).ok());
  v1::StepRecord later = Step(0, "charge", "1");
  later.set_completed_at_ms(later.completed_at_ms() + 5);
  EXPECT_TRUE(door->Record(execution.execution(), later).ok()) << "the same bytes, sent again by a raw client";
  const Answer other = door->Record(execution.execution(), Step(0, "charge", "2"));
  EXPECT_TRUE(other.reason == "REASON_STEP_ALREADY_RECORDED") << other.reason;
  EXPECT_EQ(Steps("order-1").steps(0).outcome().value().data(), "1");
}

TEST_P(ConformanceTest, AnotherNameAtARecordedStepNamesBoth) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution execution = Begin(*door, "order-1");
  ASSERT_TRUE(door->Record(execution.execution(), Step(0, "charge", "1")).ok());
  const Answer mismatch = door->Record(execution.execution(), Step(0, "refund", "1"));
  EXPECT_EQ(mismatch.reason, "REASON_STEP_MISMATCH");
  EXPECT_NE(mismatch.message.find("charge"), std::string::npos) << mismatch.message;
  EXPECT_NE(mismatch.message.find("refund"), std::string::npos) << mismatch.message;
}

TEST_P(ConformanceTest, AChildIsStartedTogetherWithItsRecord) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({.workflows = {"checkout", "ship"}}).ok());
  const v1::Execution parent = Begin(*door, "order-1");
  v1::StartWorkflowRequest start = StartOf("", "ship");
  start.mutable_parent()->set_workflow_id(parent.execution().workflow_id());
  start.mutable_parent()->set_owner_token(parent.execution().owner_token());
  start.mutable_parent()->set_step_id(0);
  v1::StartWorkflowResponse response;
  ASSERT_TRUE(door->Start(start, &response).ok());
  EXPECT_EQ(response.workflow_id(), "order-1-0");
  const auto child = door->Next();
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->parent_workflow_id(), "order-1");
  const v1::ListStepsResponse steps = Steps("order-1");
  ASSERT_EQ(steps.steps_size(), 1);
  EXPECT_EQ(steps.steps(0).name(), "ship");
  EXPECT_EQ(steps.steps(0).child_workflow_id(), "order-1-0");
  EXPECT_FALSE(steps.steps(0).has_outcome());
  EXPECT_TRUE(door->Complete(child->execution(), Value("1")).ok());
  EXPECT_TRUE(door->Complete(parent.execution(), Value("1")).ok());
}

TEST_P(ConformanceTest, ALongHistoryIsReplayedWhole) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution execution = Begin(*door, "order-1");
  const std::string value = "\"" + std::string(100'000, 'x') + "\"";
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(door->Record(execution.execution(), Step(i, "s" + std::to_string(i), value)).ok());
  }
  door->Detach();
  auto back = Open();
  ASSERT_TRUE(back->Attach({}).ok());
  const auto again = back->Next();
  ASSERT_TRUE(again.has_value());
  ASSERT_EQ(again->replay_size(), 12);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(again->replay(i).name(), "s" + std::to_string(i));
  EXPECT_EQ(again->replay(11).outcome().value().data(), value);
}

TEST_P(ConformanceTest, CancelStopsTheExecutionAndTheAwaitingCaller) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution execution = Begin(*door, "order-1");
  Cancel("order-1");
  EXPECT_EQ(Await("order-1").status(), v1::WORKFLOW_STATUS_CANCELLED);
  EXPECT_EQ(door->Record(execution.execution(), Step(0, "charge", "1")).reason, "REASON_WORKFLOW_CANCELLED");
  EXPECT_EQ(Steps("order-1").steps_size(), 0);
  Cancel("nobody");
}

TEST_P(ConformanceTest, TooManyAttemptsEndInTheDeadLetterState) {
  v1::StartWorkflowResponse response;
  auto door = Open();
  ASSERT_TRUE(door->Attach({.max_recovery_attempts = 1}).ok());
  Begin(*door, "order-1");
  for (int life = 0; life < 2; ++life) {
    door->Detach();
    door = Open();
    ASSERT_TRUE(door->Attach({.max_recovery_attempts = 1}).ok());
    if (life == 0) {
      ASSERT_TRUE(door->Next().has_value());
    }
  }
  EXPECT_EQ(Await("order-1").status(), v1::WORKFLOW_STATUS_MAX_RECOVERY_ATTEMPTS_EXCEEDED);
}

TEST_P(ConformanceTest, WithoutAProcessAStartWaitsInTheInternalQueue) {
  v1::StartWorkflowResponse response;
  auto door = Open();
  ASSERT_TRUE(door->Attach({.workflows = {"other"}}).ok());
  ASSERT_TRUE(door->Start(StartOf("order-1"), &response).ok());
  EXPECT_EQ(response.status(), v1::WORKFLOW_STATUS_ENQUEUED);
  EXPECT_EQ(Get("order-1").queue_name(), "_dbos_internal_queue");
  auto worker = Open();
  ASSERT_TRUE(worker->Attach({}).ok());
  const auto execution = worker->Next();
  ASSERT_TRUE(execution.has_value());
  EXPECT_TRUE(worker->Complete(execution->execution(), Value("1")).ok());
}

TEST_P(ConformanceTest, CreditIsNeverExceeded) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({.credit = 2}).ok());
  v1::StartWorkflowResponse response;
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(door->Start(StartOf("order-" + std::to_string(i)), &response).ok());
  for (int i = 0; i < 6; i += 2) {
    const auto one = door->Next();
    const auto two = door->Next();
    ASSERT_TRUE(one && two);
    EXPECT_FALSE(door->Next(150).has_value());
    EXPECT_TRUE(door->Complete(one->execution(), Value("1")).ok());
    EXPECT_TRUE(door->Complete(two->execution(), Value("1")).ok());
  }
}

class RestartTest : public ConformanceTest {};

TEST_P(RestartTest, ARestartedSidecarGoesOnWithWhatWasRecorded) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution execution = Begin(*door, "order-1");
  ASSERT_TRUE(door->Record(execution.execution(), Step(0, "charge", "1")).ok());
  world.sidecar().Kill();
  world.sidecar().Wait(absl::Seconds(5));
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(20);
  ASSERT_TRUE(channel->WaitForStateChange(GRPC_CHANNEL_READY, deadline));  // it has seen the old one go
  world.StartSidecar("", {"--name", "conformance"});
  ASSERT_TRUE(channel->WaitForConnected(deadline));
  auto back = Open();
  ASSERT_TRUE(back->Attach({}).ok());
  const auto again = back->Next();
  ASSERT_TRUE(again.has_value()) << world.Logs();
  EXPECT_EQ(again->replay_size(), 1);
  EXPECT_EQ(door->Record(execution.execution(), Step(1, "ship", "1")).ok(), false);
  EXPECT_TRUE(back->Complete(again->execution(), Value("1")).ok());
}

TEST_P(ConformanceTest, AnotherApplicationIsRefused) {
  auto door = Open();
  const Answer answer = door->Attach({.application = "someone-else"});
  EXPECT_EQ(answer.reason, "REASON_APPLICATION_MISMATCH");
  EXPECT_NE(answer.message.find("conformance"), std::string::npos) << answer.message;
}

TEST_P(ConformanceTest, AnAwaitEndsAtItsTimeout) {
  EXPECT_EQ(Await("never", 200).status(), v1::WORKFLOW_STATUS_UNSPECIFIED);
}

INSTANTIATE_OVER_DATABASES_AND_DOORS(ConformanceTest);
INSTANTIATE_TEST_SUITE_P(All, RestartTest, ::testing::ValuesIn(LastingDatabasesAndDoors()), NameOfRow);

}  // namespace
}  // namespace dbos::sidecar
