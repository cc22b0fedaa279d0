// Bytes that are no message: no HTTP/2 on the socket, HTTP/2 without gRPC, gRPC without Protobuf, messages that are too
// large. Whoever sends them is refused, everybody else goes on.
#include <array>
#include <random>

#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/rpc_method.h>
#include <grpcpp/impl/codegen/sync_stream.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/conformance/conformance_fixture.h"

namespace dbos::sidecar {
namespace {

using grpc::ByteBuffer;
using grpc::internal::RpcMethod;

ByteBuffer Bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

// A client of the socket itself.
class RawConnection {
 public:
  explicit RawConnection(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  ~RawConnection() { close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void Send(const std::string& bytes) const { static_cast<void>(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL)); }
  // True when the sidecar has closed the connection.
  bool IsClosed() const {
    std::array<char, 4096> buffer{};
    ssize_t n = 0;
    do {
      n = recv(fd_, buffer.data(), buffer.size(), 0);
    } while (n > 0);
    return n == 0 || errno == ECONNRESET;
  }

 private:
  const int fd_;
};

class MalformedTest : public ConformanceTest {
 protected:
  grpc::Status CallWithBytes(const char* method, const std::string& bytes) const {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    ByteBuffer response;
    return grpc::internal::BlockingUnaryCall(channel.get(), RpcMethod(method, RpcMethod::NORMAL_RPC), &call,
                                             Bytes(bytes), &response);
  }

  void ExpectOthersGoOn(Door& door, const v1::Execution& good) {
    EXPECT_TRUE(world.sidecar().Running()) << world.Logs();
    EXPECT_TRUE(door.Record(good.execution(), Step(0, "charge", "1")).ok());
    EXPECT_TRUE(door.Complete(good.execution(), Value("1")).ok());
    EXPECT_EQ(Await("good").status(), v1::WORKFLOW_STATUS_SUCCESS);
  }
};

TEST_P(MalformedTest, NoiseOnTheSocketClosesThatConnectionOnly) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution good = Begin(*door, "good");
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::string noise(20'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  const std::string huge_frame("\xff\xff\xff\0\0\0\0\0\1", 9);
  for (const std::string& bytes : {noise, preface + noise, preface + settings + huge_frame + noise,
                                   std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(9, '\0')}) {
    RawConnection raw(world.directory() + "/s");
    raw.Send(bytes);
  }
  RawConnection raw(world.directory() + "/s");
  raw.Send(noise);
  EXPECT_TRUE(raw.IsClosed());
  ExpectOthersGoOn(*door, good);
}

TEST_P(MalformedTest, BytesThatAreNoMessageAreRefused) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution good = Begin(*door, "good");
  const std::string garbage = "\x0a\xff\xff\xff\xff\x0f garbage";
  for (const char* method : {"/dbos.v1.StepService/RecordStep", "/dbos.v1.StepService/CompleteWorkflow",
                             "/dbos.v1.StepService/GetReplay", "/dbos.v1.WorkflowService/StartWorkflow",
                             "/dbos.v1.WorkflowService/AwaitWorkflow", "/dbos.v1.WorkflowService/ListWorkflows"}) {
    EXPECT_FALSE(CallWithBytes(method, garbage).ok()) << method;
  }
  EXPECT_EQ(CallWithBytes("/dbos.v1.StepService/NoSuchMethod", "").error_code(), grpc::UNIMPLEMENTED);

  grpc::ClientContext subscription;
  const std::unique_ptr<grpc::ClientReader<ByteBuffer>> executions(
      grpc::internal::ClientReaderFactory<ByteBuffer>::Create(
          channel.get(), RpcMethod("/dbos.v1.StepService/Subscribe", RpcMethod::SERVER_STREAMING), &subscription,
          Bytes(garbage)));
  ByteBuffer ignored;
  EXPECT_FALSE(executions->Read(&ignored));
  EXPECT_FALSE(executions->Finish().ok());
  ExpectOthersGoOn(*door, good);
}

TEST_P(MalformedTest, ASessionWithBytesThatAreNoMessageEndsWithTheReason) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution good = Begin(*door, "good");
  v1::SessionRequest hello;
  hello.add_frames()->mutable_hello()->set_protocol_min(1);
  hello.mutable_frames(0)->mutable_hello()->set_protocol_max(1);
  hello.mutable_frames(0)->mutable_hello()->set_application_name("conformance");
  hello.mutable_frames(0)->mutable_hello()->set_application_version("conformance-1");
  hello.mutable_frames(0)->mutable_hello()->set_incarnation("garbage");
  for (const std::string& first : {std::string(), hello.SerializeAsString()}) {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    const std::unique_ptr<grpc::ClientReaderWriter<ByteBuffer, ByteBuffer>> stream(
        grpc::internal::ClientReaderWriterFactory<ByteBuffer, ByteBuffer>::Create(
            channel.get(), RpcMethod("/dbos.v1.StepService/Session", RpcMethod::BIDI_STREAMING), &call));
    if (!first.empty()) stream->Write(Bytes(first));
    stream->Write(Bytes("\x0a\xff\xff\xff\xff\x0f garbage"));
    ByteBuffer ignored;
    while (stream->Read(&ignored)) {
    }
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(ToAnswer(status, call).reason, "REASON_PROTOCOL_VIOLATION");
    EXPECT_NE(status.error_message().find("SessionRequest"), std::string::npos) << status.error_message();
  }
  ExpectOthersGoOn(*door, good);
}

TEST_P(MalformedTest, AMessageBeyondTheLimitIsRefusedNamingIt) {
  auto door = Open();
  ASSERT_TRUE(door->Attach({}).ok());
  const v1::Execution good = Begin(*door, "good");
  auto victim = Open();
  ASSERT_TRUE(victim->Attach({.workflows = {}}).ok());
  const std::string large = "\"" + std::string(9 << 20, 'x') + "\"";
  if (std::get<1>(GetParam()) == DoorKind::kUnary) {
    const Answer answer = victim->Record(good.execution(), Step(0, "charge", large));
    EXPECT_NE(answer.message.find("8388608"), std::string::npos) << answer.message;
  } else {
    auto& session = dynamic_cast<SessionDoor&>(*victim);
    v1::ClientFrame frame;
    frame.mutable_record_step()->set_seq(session.NextSeq());
    *frame.mutable_record_step()->mutable_step() = Step(0, "charge", large);
    session.Send(std::move(frame));
    const auto status = session.Ended();
    ASSERT_TRUE(status.has_value());
    EXPECT_EQ(status->error_code(), grpc::RESOURCE_EXHAUSTED);
    EXPECT_NE(status->error_message().find("8388608"), std::string::npos) << status->error_message();
  }
  ExpectOthersGoOn(*door, good);
}

INSTANTIATE_OVER_DATABASES_AND_DOORS(MalformedTest);

}  // namespace
}  // namespace dbos::sidecar
