// Clients that do not read: cut off within the documented patience, their executions go on elsewhere, everybody else is
// served meanwhile, and what waits for them is bounded.
#include <fstream>
#include <thread>

#include "tests/conformance/conformance_fixture.h"

namespace dbos::sidecar {
namespace {

constexpr int kExecutions = 12;
constexpr auto kPatience = std::chrono::seconds(10);  // of the sidecar, with one write
const char* const kCutOff = "client does not read";

// With a small window nothing hides how much the client has taken.
std::shared_ptr<grpc::Channel> NarrowChannel(const World& world) {
  grpc::ChannelArguments arguments = Quick();
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65'535);
  return grpc::CreateCustomChannel(world.address(), grpc::InsecureChannelCredentials(), arguments);
}

// A process that is attached and never reads. One that talks sends pings all the time.
class DeafProcess {
 public:
  explicit DeafProcess(std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)), stub_(v1::StepService::NewStub(channel_)) {}
  ~DeafProcess() {
    call_.TryCancel();
    if (talker_.joinable()) talker_.join();
    if (session_ != nullptr) session_->Finish();
    if (subscription_ != nullptr) subscription_->Finish();
  }
  DeafProcess(const DeafProcess&) = delete;
  DeafProcess& operator=(const DeafProcess&) = delete;

  void OpenSession(const std::string& workflow, bool talks) {
    session_ = stub_->Session(&call_);
    v1::SessionRequest message;
    v1::Hello* hello = message.add_frames()->mutable_hello();
    hello->set_protocol_min(1);
    hello->set_protocol_max(1);
    Introduce(workflow, *hello);
    session_->Write(message);
    if (talks) talker_ = std::thread([this] { Talk(); });
  }

  void AwaitOften(const std::string& workflow_id, std::uint64_t times) {
    v1::SessionRequest message;
    for (std::uint64_t seq = 1; seq <= times; ++seq) {
      message.add_frames()->mutable_await_workflow()->set_seq(seq);
      message.mutable_frames()->rbegin()->mutable_await_workflow()->set_workflow_id(workflow_id);
    }
    session_->Write(message);
  }

  void Subscribe(const std::string& workflow) {
    v1::SubscribeRequest request;
    Introduce(workflow, request);
    subscription_ = stub_->Subscribe(&call_, request);
  }

 private:
  template <typename Greeting>
  static void Introduce(const std::string& workflow, Greeting& greeting) {
    greeting.set_application_name("conformance");
    greeting.set_application_version("conformance-1");
    greeting.set_incarnation("deaf-" + workflow);
    greeting.mutable_credit()->set_executions(1000);
    greeting.mutable_registrations()->add_workflows()->set_name(workflow);
  }

  void Talk() {
    v1::SessionRequest ping;
    ping.add_frames()->mutable_ping()->set_nonce(1);
    while (session_->Write(ping)) Pause(absl::Milliseconds(100));
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::StepService::Stub> stub_;
  grpc::ClientContext call_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionEvent>> session_;
  std::unique_ptr<grpc::ClientReader<v1::Execution>> subscription_;
  std::thread talker_;
};

class SlowReaderTest : public ::testing::TestWithParam<DatabaseKind> {
 protected:
  SlowReaderTest() {
    world.StartSidecar("", {"--name", "conformance", "--ping-timeout", "2"});
    channel = grpc::CreateCustomChannel(world.address(), grpc::InsecureChannelCredentials(), Quick());
    EXPECT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(20))) << world.Logs();
  }

  // Workflows of this name, whose arguments do not fit into what a deaf process takes.
  void StartMany(Door& door, const std::string& workflow, int count, std::size_t bytes) const {
    v1::StartWorkflowResponse response;
    for (int i = 0; i < count; ++i) {
      v1::StartWorkflowRequest start = StartOf(workflow + "-" + std::to_string(i), workflow);
      start.mutable_input()->set_data("{\"positionalArgs\":[\"" + std::string(bytes, 'x') + "\"]}");
      ASSERT_TRUE(door.Start(start, &response).ok());
    }
  }

  void RunOne(Door& door, const std::string& id) const {
    v1::StartWorkflowResponse response;
    ASSERT_TRUE(door.Start(StartOf(id), &response).ok());
    const auto execution = door.Next(5'000);
    ASSERT_TRUE(execution.has_value()) << id;
    ASSERT_TRUE(door.Record(execution->execution(), Step(0, "charge", "1")).ok());
    ASSERT_TRUE(door.Complete(execution->execution(), Value("1")).ok());
  }

  int CutOffs() const {
    const std::string log = world.Logs();
    int count = 0;
    for (std::size_t at = log.find(kCutOff); at != std::string::npos; at = log.find(kCutOff, at + 1)) ++count;
    return count;
  }

  std::int64_t MemoryKb(const std::string& field) {
    std::ifstream status("/proc/" + std::to_string(world.sidecar().pid()) + "/status");
    std::string word;
    while (status >> word) {
      std::int64_t kb = 0;
      if (word == field + ":" && status >> kb) return kb;
    }
    return 0;
  }

  World world{GetParam()};
  std::shared_ptr<grpc::Channel> channel;
};

TEST_P(SlowReaderTest, TheyAreCutOffAndTheirExecutionsGoToAnother) {
  const std::vector<std::string> names = {"silent", "talking", "subscribed"};
  DeafProcess silent(NarrowChannel(world));
  silent.OpenSession("silent", false);
  DeafProcess talking(NarrowChannel(world));
  talking.OpenSession("talking", true);
  DeafProcess subscribed(NarrowChannel(world));
  subscribed.Subscribe("subscribed");
  auto busy = OpenDoor(DoorKind::kSession, channel);
  ASSERT_TRUE(busy->Attach({}).ok());
  for (const std::string& name : names) StartMany(*busy, name, kExecutions, 100'000);
  const absl::Duration began = SinceBoot();
  // They are attached, and hold what was dispatched to them; whoever comes next gets it after they were cut off.
  auto next = OpenDoor(DoorKind::kSession, channel);
  ASSERT_TRUE(next->Attach({.workflows = names, .credit = 100}).ok());
  int served = 0;
  while (CutOffs() < 3 && SinceBoot() - began < absl::FromChrono(2 * kPatience)) {
    RunOne(*busy, "busy-" + std::to_string(++served));
  }
  EXPECT_EQ(CutOffs(), 3) << world.Logs();
  EXPECT_GE(SinceBoot() - began, absl::FromChrono(kPatience) - absl::Seconds(1));
  EXPECT_GT(served, 20) << "others were served meanwhile";
  for (std::size_t i = 0; i < names.size() * kExecutions; ++i) {
    const auto execution = next->Next();
    ASSERT_TRUE(execution.has_value()) << i << "\n" << world.Logs();
    EXPECT_TRUE(next->Complete(execution->execution(), Value("1")).ok());
  }
  EXPECT_FALSE(next->Next(100).has_value());
}

// More than the 128 MiB that may wait for one client: it does not get its 10 s.
TEST_P(SlowReaderTest, WhatWaitsForThemIsBounded) {
  DeafProcess deaf(NarrowChannel(world));
  deaf.OpenSession("deaf", false);
  auto busy = OpenDoor(DoorKind::kSession, channel);
  ASSERT_TRUE(busy->Attach({}).ok());
  v1::StartWorkflowResponse response;
  ASSERT_TRUE(busy->Start(StartOf("large"), &response).ok());
  const auto large = busy->Next();
  ASSERT_TRUE(large.has_value());
  deaf.AwaitOften("large", 150);  // 150 answers of 4 MiB
  RunOne(*busy, "busy");
  const std::int64_t before = MemoryKb("VmRSS");
  const absl::Duration began = SinceBoot();
  ASSERT_TRUE(busy->Complete(large->execution(), Value("\"" + std::string((4 << 20) - 2, 'x') + "\"")).ok());
  EXPECT_TRUE(Eventually(absl::Seconds(5), [&] { return CutOffs() == 1; })) << world.Logs();
  EXPECT_LT(SinceBoot() - began, absl::FromChrono(kPatience)) << "too slow to tell the limit from the patience";
  EXPECT_LT(MemoryKb("VmHWM") - before, 200 << 10);
  RunOne(*busy, "still busy");
}

INSTANTIATE_TEST_SUITE_P(Databases, SlowReaderTest, ::testing::ValuesIn(ConformanceDatabaseKinds()),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
