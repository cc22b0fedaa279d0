// What only the stream can do wrong, and how the sidecar answers: hostile frames, clients that flood, that do not read,
// that do not answer. Others are not disturbed.
#include <random>

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include "tests/conformance/session_door.h"
#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    world.StartSidecar("", {"--name", "conformance", "--ping-timeout", "2"});
    EXPECT_TRUE(Channel()->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20)));
  }
  std::shared_ptr<grpc::Channel> Channel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(world.address(), grpc::InsecureChannelCredentials(), arguments);
  }
  // One good workflow from start to end: the sidecar is in order.
  void ExpectInOrder(const std::string& id) const {
    SessionDoor door(Channel());
    ASSERT_TRUE(door.Attach({.workflows = {"probe"}}).ok()) << world.Logs();
    v1::StartWorkflowResponse response;
    ASSERT_TRUE(door.Start(StartOf(id, "probe"), &response).ok());
    const auto execution = door.Next(10'000);
    ASSERT_TRUE(execution.has_value()) << world.Logs();
    EXPECT_TRUE(door.Complete(execution->execution(), Value("1")).ok());
  }

  World world{DatabaseKind::kSqlite};
};

TEST_F(SessionTest, TheFirstFrameMustBeHello) {
  SessionDoor door(Channel());
  door.Connect();
  v1::ClientFrame frame;
  frame.mutable_credit()->set_executions(1);
  door.Send(std::move(frame));
  const auto status = door.Ended();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ExpectInOrder("after");
}

TEST_F(SessionTest, ASecondHelloEndsTheSession) {
  SessionDoor door(Channel());
  ASSERT_TRUE(door.Attach({}).ok());
  v1::ClientFrame frame;
  frame.mutable_hello()->set_protocol_min(1);
  door.Send(std::move(frame));
  ASSERT_TRUE(door.Ended().has_value());
  ExpectInOrder("after");
}

TEST_F(SessionTest, AnUnknownProtocolVersionIsUnsupported) {
  SessionDoor door(Channel());
  door.Connect();
  v1::ClientFrame frame;
  frame.mutable_hello()->set_protocol_min(7);
  frame.mutable_hello()->set_protocol_max(9);
  frame.mutable_hello()->set_application_name("conformance");
  door.Send(std::move(frame));
  const auto fatal = door.Await([](const v1::ServerFrame& candidate) { return candidate.has_fatal(); });
  ASSERT_TRUE(fatal.has_value());
  EXPECT_EQ(fatal->fatal().reason(), v1::REASON_UNSUPPORTED);
}

TEST_F(SessionTest, AFloodIsRefusedOperationByOperation) {
  SessionDoor door(Channel());
  ASSERT_TRUE(door.Attach({.credit = 1}).ok());
  // Far more unacknowledged starts than a session may have; every one gets an answer, accepted or refused by the limit.
  constexpr int kStarts = 12'000;
  v1::SessionRequest message;
  for (int i = 0; i < kStarts; ++i) {
    v1::StartFrame* start = message.add_frames()->mutable_start();
    start->set_seq(door.NextSeq());
    *start->mutable_start() = StartOf("flood-" + std::to_string(i));
  }
  ASSERT_TRUE(door.Send(message));
  ExpectInOrder("meanwhile");
  int started = 0;
  int refused = 0;
  while (started + refused < kStarts) {
    const auto frame = door.Await(
        [](const v1::ServerFrame& candidate) { return candidate.has_started() || candidate.has_refused(); }, 30'000);
    ASSERT_TRUE(frame.has_value()) << started << " started, " << refused << " refused";
    if (frame->has_started()) {
      ++started;
      continue;
    }
    ++refused;
    ASSERT_EQ(frame->refused().error().reason(), v1::REASON_INFLIGHT_LIMIT);
    ASSERT_EQ(frame->refused().error().retry(), v1::RETRY_CLASS_SAME_REQUEST);
  }
  EXPECT_GE(started, 4096);
  EXPECT_GT(refused, 0);
  ExpectInOrder("after");
}

TEST_F(SessionTest, AProcessThatDoesNotAnswerPingsIsCutOff) {
  SessionDoor door(Channel());
  door.AnswerPings(false);
  ASSERT_TRUE(door.Attach({}).ok());
  ASSERT_TRUE(door.Ended(15'000).has_value());
  ExpectInOrder("after");
}

TEST_F(SessionTest, RandomFramesHurtNobodyElse) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto text = [&] {
    std::string bytes(random() % 20, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    return bytes;
  };
  for (int round = 0; round < 30; ++round) {
    SessionDoor door(Channel());
    ASSERT_TRUE(door.Attach({}).ok()) << world.Logs();
    for (int i = 0; i < 40; ++i) {
      v1::SessionRequest message;
      // Valid messages with random bytes in them: broken protobuf never gets past gRPC.
      std::string wire;
      for (int k = 0; k < 3; ++k) {
        v1::ClientFrame frame;
        switch (random() % 8) {
          case 0:
            frame.mutable_record_step()->set_seq(random() % 50);
            break;
          case 1: {
            auto* record = frame.mutable_record_step();
            record->set_seq(door.NextSeq());
            record->mutable_execution()->set_workflow_id(text());
            record->mutable_step()->set_name(text());
            record->mutable_step()->set_step_id(static_cast<std::int32_t>(random()));
            record->mutable_step()->mutable_outcome()->mutable_value()->set_data(text());
            break;
          }
          case 2:
            frame.mutable_complete()->set_seq(door.NextSeq());
            break;
          case 3: {
            auto* start = frame.mutable_start();
            start->set_seq(door.NextSeq());
            start->mutable_start()->set_workflow_id(text());
            start->mutable_start()->set_name(text());
            start->mutable_start()->set_timeout_ms(static_cast<std::int64_t>(random()));
            start->mutable_start()->mutable_parent()->set_step_id(static_cast<std::int32_t>(random()));
            break;
          }
          case 4:
            frame.mutable_credit()->set_executions(static_cast<std::uint32_t>(random()));
            break;
          case 5:
            frame.mutable_await_workflow()->set_timeout_ms(static_cast<std::int64_t>(random()));
            break;
          case 6:
            frame.mutable_release()->mutable_execution()->set_workflow_id(text());
            break;
          default:
            break;
        }
        *message.add_frames() = std::move(frame);
      }
      if (!door.Send(message)) break;
    }
  }
  EXPECT_TRUE(world.sidecar().Running()) << world.Logs();
  ExpectInOrder("after");
}

}  // namespace
}  // namespace dbos::sidecar
