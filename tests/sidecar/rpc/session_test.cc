#include <string>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "sidecar/rpc/outbox.h"
#include "sidecar/rpc/validate.h"
#include "tests/sidecar/rpc/door_fixture.h"

namespace dbos::sidecar {
namespace {

using Frame = v1::ServerFrame;

class SessionTest : public DoorFixture {};

v1::ClientFrame StartFrame(std::uint64_t seq, const std::string& id) {
  v1::ClientFrame frame;
  frame.mutable_start()->set_seq(seq);
  frame.mutable_start()->mutable_start()->set_workflow_id(id);
  frame.mutable_start()->mutable_start()->set_name("checkout");
  return frame;
}

v1::ClientFrame CompleteFrame(std::uint64_t seq, const v1::ExecutionRef& execution) {
  v1::ClientFrame frame;
  frame.mutable_complete()->set_seq(seq);
  *frame.mutable_complete()->mutable_execution() = execution;
  frame.mutable_complete()->mutable_outcome()->mutable_value()->set_data("\"paid\"");
  return frame;
}

TEST_F(SessionTest, WelcomeTellsTheLimits) {
  SessionClient client(channel_);
  const v1::Welcome welcome = client.Greet();
  EXPECT_EQ(welcome.protocol(), 1U);
  EXPECT_EQ(welcome.executor_id(), "executor");
  EXPECT_EQ(welcome.boot_id(), "boot");
  EXPECT_EQ(welcome.limits().max_payload_bytes(), kPayloadBytesMax);
  EXPECT_EQ(welcome.limits().ping_interval_ms(), 400U);
}

TEST_F(SessionTest, RunsAWorkflowFromStartToOutcome) {
  SessionClient client(channel_);
  client.Greet();
  client.Send(StartFrame(1, "w"));
  const Frame dispatch = client.Next(Frame::kDispatch);
  EXPECT_EQ(dispatch.dispatch().name(), "checkout");
  EXPECT_TRUE(dispatch.dispatch().replay_complete());
  const v1::ExecutionRef& execution = dispatch.dispatch().execution();

  v1::SessionRequest together;
  *together.add_frames() = SessionClient::StepFrame(2, execution, 0);
  *together.add_frames() = SessionClient::StepFrame(3, execution, 1);
  *together.add_frames() = CompleteFrame(4, execution);
  client.Send(together);
  std::uint64_t acknowledged = 0;
  while (acknowledged < 3) {
    const Frame frame = client.Next(Frame::kAcknowledged);
    ASSERT_GT(frame.acknowledged().ranges_size(), 0);
    for (const auto& range : frame.acknowledged().ranges()) acknowledged += range.last() - range.first() + 1;
  }
  v1::ClientFrame wait;
  wait.mutable_await_workflow()->set_seq(5);
  wait.mutable_await_workflow()->set_workflow_id("w");
  client.Send(wait);
  const Frame awaited = client.Next(Frame::kAwaited);
  EXPECT_EQ(awaited.awaited().response().status(), v1::WORKFLOW_STATUS_SUCCESS);
  EXPECT_EQ(awaited.awaited().response().outcome().value().data(), "\"paid\"");
}

TEST_F(SessionTest, ASecondStartOfTheSameIdIsAnsweredWithTheFirst) {
  SessionClient client(channel_);
  client.Greet();
  client.Send(StartFrame(1, "w"));
  EXPECT_TRUE(client.Next(Frame::kStarted).started().response().created());
  client.Send(StartFrame(2, "w"));
  EXPECT_FALSE(client.Next(Frame::kStarted).started().response().created());
}

TEST_F(SessionTest, TheFirstFrameMustBeHello) {
  SessionClient client(channel_);
  client.Send(StartFrame(1, "w"));
  EXPECT_EQ(client.Next(Frame::kFatal).fatal().reason(), v1::REASON_PROTOCOL_VIOLATION);
  EXPECT_EQ(client.Finish().error_code(), grpc::INVALID_ARGUMENT);
  const auto& trailers = client.context().GetServerTrailingMetadata();
  ASSERT_NE(trailers.find("x-dbos-reason"), trailers.end());
  EXPECT_EQ(trailers.find("x-dbos-reason")->second, "REASON_PROTOCOL_VIOLATION");
}

TEST_F(SessionTest, ASecondHelloEndsTheSession) {
  SessionClient client(channel_);
  client.Greet();
  client.Send(SessionClient::HelloFrame());
  EXPECT_EQ(client.Next(Frame::kFatal).fatal().reason(), v1::REASON_PROTOCOL_VIOLATION);
}

TEST_F(SessionTest, RefusesAnotherApplicationNamingBoth) {
  SessionClient client(channel_);
  v1::ClientFrame hello = SessionClient::HelloFrame();
  hello.mutable_hello()->set_application_name("bakery");
  client.Send(hello);
  const v1::ErrorDetail fatal = client.Next(Frame::kFatal).fatal();
  EXPECT_EQ(fatal.reason(), v1::REASON_APPLICATION_MISMATCH);
  EXPECT_NE(fatal.message().find("\"shop\""), std::string::npos);
  EXPECT_NE(fatal.message().find("\"bakery\""), std::string::npos);
  EXPECT_EQ(attachments_.size(), 0U);
}

TEST_F(SessionTest, RefusesAClientWithoutACommonProtocolVersion) {
  SessionClient client(channel_);
  v1::ClientFrame hello = SessionClient::HelloFrame();
  hello.mutable_hello()->set_protocol_min(2);
  hello.mutable_hello()->set_protocol_max(5);
  client.Send(hello);
  const v1::ErrorDetail fatal = client.Next(Frame::kFatal).fatal();
  EXPECT_EQ(fatal.reason(), v1::REASON_UNSUPPORTED);
  EXPECT_NE(fatal.message().find("2 to 5"), std::string::npos);
}

TEST_F(SessionTest, AMalformedFrameIsRefusedAndTheStreamLivesOn) {
  SessionClient client(channel_);
  client.Greet();
  client.Send(StartFrame(1, "\xFF"));
  Frame refused = client.Next(Frame::kRefused);
  EXPECT_EQ(refused.refused().seq(), 1U);
  EXPECT_EQ(refused.refused().error().reason(), v1::REASON_INVALID_REQUEST);
  EXPECT_NE(refused.refused().error().message().find("workflow_id"), std::string::npos);

  client.Send(v1::ClientFrame());
  refused = client.Next(Frame::kRefused);
  EXPECT_EQ(refused.refused().seq(), 0U);
  EXPECT_EQ(refused.refused().error().reason(), v1::REASON_INVALID_REQUEST);

  client.Send(StartFrame(2, "w"));
  EXPECT_TRUE(client.Next(Frame::kStarted).started().response().created());
}

TEST_F(SessionTest, SequenceNumbersMustGrow) {
  SessionClient client(channel_);
  client.Greet();
  client.Send(StartFrame(5, "w"));
  client.Next(Frame::kStarted);
  client.Send(StartFrame(5, "v"));
  EXPECT_NE(client.Next(Frame::kRefused).refused().error().message().find("does not grow"), std::string::npos);
}

TEST_F(SessionTest, AFloodIsRefusedBeyondTheLimitAndTheRestIsAnswered) {
  SessionClient client(channel_);
  client.Greet(1);
  v1::ExecutionRef stranger;
  stranger.set_workflow_id("nobody");
  stranger.set_owner_token("token");
  constexpr std::uint64_t kExtra = 10;
  v1::SessionRequest flood;
  for (std::uint64_t seq = 1; seq <= kInflightOperationsMax + kExtra; ++seq) {
    *flood.add_frames() = SessionClient::StepFrame(seq, stranger, static_cast<int>(seq));
  }
  client.Send(flood);
  std::uint64_t over_limit = 0;
  for (std::uint64_t answers = 0; answers < kInflightOperationsMax + kExtra; ++answers) {
    const Frame refused = client.Next(Frame::kRefused);
    ASSERT_EQ(refused.frame_case(), Frame::kRefused) << "after " << answers << " answers";
    if (refused.refused().error().reason() == v1::REASON_INFLIGHT_LIMIT) ++over_limit;
  }
  EXPECT_EQ(over_limit, kExtra);
  client.Send(StartFrame(kInflightOperationsMax + kExtra + 1, "w"));
  EXPECT_TRUE(client.Next(Frame::kStarted).started().response().created()) << "the flood has drained";
}

TEST_F(SessionTest, NothingGoesPastWhatTheDoorHadNoRoomFor) {
  SessionClient client(channel_);
  client.Greet();
  v1::SessionRequest flood;
  std::vector<v1::ExecutionRef> executions;
  for (std::uint64_t seq = 1; seq <= 2; ++seq) {
    client.Send(StartFrame(seq, "w" + std::to_string(seq)));
    executions.push_back(client.Next(Frame::kDispatch).dispatch().execution());
  }
  v1::ExecutionRef stranger;
  stranger.set_workflow_id("nobody");
  stranger.set_owner_token("token");
  std::uint64_t seq = 2;
  for (std::uint32_t n = 0; n < kInflightOperationsMax; ++n) {
    *flood.add_frames() = SessionClient::StepFrame(++seq, stranger, static_cast<int>(n));
  }
  const auto child = [&](std::uint64_t name) {
    v1::ClientFrame frame = StartFrame(name, "child");
    v1::ParentStep* parent = frame.mutable_start()->mutable_start()->mutable_parent();
    parent->set_workflow_id(executions[1].workflow_id());
    parent->set_owner_token(executions[1].owner_token());
    return frame;
  };
  *flood.add_frames() = SessionClient::StepFrame(++seq, executions[0], 0);
  *flood.add_frames() = child(++seq);
  client.Send(flood);
  for (std::uint32_t n = 0; n < kInflightOperationsMax + 2; ++n) client.Next(Frame::kRefused);
  for (const v1::ExecutionRef& execution : executions) {
    client.Send(SessionClient::StepFrame(++seq, execution, 1));
    const v1::Refused refused = client.Next(Frame::kRefused).refused();
    EXPECT_EQ(refused.seq(), seq);
    EXPECT_EQ(refused.error().retry(), v1::RETRY_CLASS_SAME_REQUEST);
  }
  client.Send(SessionClient::StepFrame(++seq, executions[0], 0));
  client.Send(child(++seq));
  EXPECT_TRUE(client.Next(Frame::kStarted).started().response().created());
  client.Send(SessionClient::StepFrame(++seq, executions[1], 1));
  EXPECT_EQ(client.Next(Frame::kAcknowledged).acknowledged().ranges(0).last(), seq);
}

TEST_F(SessionTest, LargeValuesPassThroughBackpressureUnharmed) {
  SessionClient client(channel_);
  client.Greet();
  client.Send(StartFrame(1, "w"));
  const v1::ExecutionRef execution = client.Next(Frame::kDispatch).dispatch().execution();
  const std::string large = "\"" + std::string(kPayloadBytesMax - 2, 'x') + "\"";
  for (std::uint64_t i = 0; i < 8; ++i) {
    v1::ClientFrame frame = SessionClient::StepFrame(2 + i, execution, static_cast<int>(i));
    frame.mutable_record_step()->mutable_step()->mutable_outcome()->mutable_value()->set_data(large);
    client.Send(frame);
  }
  for (std::uint64_t acknowledged = 0; acknowledged < 8;) {
    const Frame frame = client.Next(Frame::kAcknowledged);
    ASSERT_EQ(frame.frame_case(), Frame::kAcknowledged);
    for (const auto& range : frame.acknowledged().ranges()) acknowledged += range.last() - range.first() + 1;
  }
}

// Together they are more than may wait on a stream.
TEST_F(SessionTest, ManyLargeInputsAreHandedOutAsTheStreamTakesThem) {
  constexpr std::size_t kWorkflows = kOutboxBytesMax / kPayloadBytesMax + 3;
  const std::string large =
      R"({"positionalArgs":[")" + std::string(kPayloadBytesMax - 64, 'x') + R"("],"namedArgs":{}})";
  for (std::size_t i = 0; i < kWorkflows; ++i) StartWorkflow("w" + std::to_string(i), large);
  SessionClient client(channel_);
  client.Greet(100);
  for (std::size_t i = 0; i < kWorkflows; ++i) {
    ASSERT_EQ(client.Next(Frame::kDispatch).dispatch().input().data().size(), large.size()) << i;
    v1::ClientFrame alive;
    alive.mutable_pong();
    client.Send(alive);
  }
}

TEST_F(SessionTest, LargeInputAndLargeStepsAreReplayedInMessagesThatAClientTakes) {
  const std::string large = "\"" + std::string(kPayloadBytesMax - 2, 'x') + "\"";
  auto first = std::make_unique<SessionClient>(Connect());
  first->Greet();
  v1::ClientFrame start = StartFrame(1, "w");
  start.mutable_start()->mutable_start()->mutable_input()->set_data(
      R"({"positionalArgs":[")" + std::string(kPayloadBytesMax - 64, 'x') + R"("],"namedArgs":{}})");
  first->Send(start);
  const v1::ExecutionRef execution = first->Next(Frame::kDispatch).dispatch().execution();
  for (int step = 0; step < 2; ++step) {
    v1::ClientFrame frame = SessionClient::StepFrame(2 + static_cast<std::uint64_t>(step), execution, step);
    frame.mutable_record_step()->mutable_step()->mutable_outcome()->mutable_value()->set_data(large);
    first->Send(frame);
    ASSERT_EQ(first->Next(Frame::kAcknowledged).frame_case(), Frame::kAcknowledged);
  }
  first.reset();
  SessionClient second(Connect());
  second.Greet();
  const v1::Execution again = second.Next(Frame::kDispatch).dispatch();
  ASSERT_EQ(again.execution().workflow_id(), "w");
  EXPECT_FALSE(again.replay_complete());
  int steps = again.replay_size();
  for (bool last = false; !last;) {
    const Frame frame = second.Next(Frame::kReplay);
    ASSERT_EQ(frame.frame_case(), Frame::kReplay) << "the stream broke";
    EXPECT_LE(frame.ByteSizeLong(), kMessageBytesMax);
    for (const v1::StepRecord& step : frame.replay().steps()) {
      EXPECT_EQ(step.step_id(), steps++);
      EXPECT_EQ(step.outcome().value().data(), large);
    }
    last = frame.replay().last();
  }
  EXPECT_EQ(steps, 2);
}

TEST_F(SessionTest, PingsAreAnsweredAndSent) {
  SessionClient client(channel_);
  client.Greet();
  v1::ClientFrame ping;
  ping.mutable_ping()->set_nonce(42);
  client.Send(ping);
  EXPECT_EQ(client.Next(Frame::kPong).pong().nonce(), 42U);
  EXPECT_EQ(client.Next(Frame::kPing).frame_case(), Frame::kPing);
}

TEST_F(SessionTest, ExecutionsOfABrokenSessionGoToAnother) {
  auto first = std::make_unique<SessionClient>(Connect());
  first->Greet();
  first->Send(StartFrame(1, "w"));
  const v1::ExecutionRef before = first->Next(Frame::kDispatch).dispatch().execution();
  first->Send(SessionClient::StepFrame(2, before, 0));
  first->Next(Frame::kAcknowledged);

  SessionClient second(Connect());
  second.Greet();
  EXPECT_EQ(attachments_.size(), 2U);
  first.reset();
  const v1::Execution again = second.Next(Frame::kDispatch).dispatch();
  EXPECT_EQ(again.execution().workflow_id(), "w");
  EXPECT_NE(again.execution().owner_token(), before.owner_token());
  ASSERT_EQ(again.replay_size(), 1);
  EXPECT_EQ(again.replay(0).name(), "charge");
  EXPECT_EQ(attachments_.size(), 1U);

  second.Send(SessionClient::StepFrame(1, before, 1));
  EXPECT_EQ(second.Next(Frame::kRefused).refused().error().reason(), v1::REASON_FENCED);
}

TEST_F(SessionTest, AReleasedExecutionIsHandedOutAgain) {
  SessionClient client(channel_);
  client.Greet();
  client.Send(StartFrame(1, "w"));
  const v1::ExecutionRef before = client.Next(Frame::kDispatch).dispatch().execution();
  v1::ClientFrame release;
  *release.mutable_release()->mutable_execution() = before;
  client.Send(release);
  const v1::ExecutionRef after = client.Next(Frame::kDispatch).dispatch().execution();
  EXPECT_EQ(after.workflow_id(), "w");
  EXPECT_NE(after.owner_token(), before.owner_token());
}

}  // namespace
}  // namespace dbos::sidecar
