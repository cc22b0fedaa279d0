#include "tests/sidecar/rpc/door_fixture.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>

#include "sidecar/base/check.h"
#include "sidecar/base/ids.h"
#include "sidecar/db/migrator.h"
#include "sidecar/rpc/validate.h"
#include "sidecar/store/open_storage.h"
#include "sidecar/store/open_transactions.h"

namespace dbos::sidecar {
namespace {

constexpr std::chrono::seconds kPatience{30};

std::string NewDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "rpc_test.XXXXXX").string();
  DBOS_CHECK(mkdtemp(name.data()) != nullptr);
  return name;
}

SidecarInfo TestInfo() {
  SidecarInfo info;
  info.version = "1.2.3";
  info.boot_id = "boot";
  info.executor_id = "executor";
  info.application_name = "shop";
  info.database = "sqlite";
  info.schema_version = kSchemaVersion;
  info.ping_interval = EngineOptions().ping_interval;
  info.ping_timeout = EngineOptions().ping_timeout;
  return info;
}

}  // namespace

ScriptedMigrations::~ScriptedMigrations() {
  for (std::thread& thread : threads_) thread.join();
}

void ScriptedMigrations::Post(MigrationRequest request, Done done) {
  ++posted_;
  std::lock_guard<std::mutex> lock(mu_);
  threads_.emplace_back([this, request = std::move(request), done = std::move(done)] { done(answer(request)); });
}

DoorFixture::DoorFixture() : directory_(NewDirectory()) {
  const std::string url = "sqlite:///" + directory_ + "/shop.sqlite";
  const auto database = OpenDatabase(url, "dbos");
  DBOS_CHECK(database.ok() && Migrate(*database).ok());
  auto storage = OpenStorage({url, "dbos", "executor", "shop"});
  DBOS_CHECK(storage.ok());
  loop_ = std::make_unique<EngineLoop>(std::make_unique<Engine>(EngineOptions(), RandomUuid), *std::move(storage),
                                       EngineLoop::Options());
  loop_->Start();
  records_ = std::make_unique<EngineRecords>(*loop_);
  TransactionPool::Options pool;
  pool.size = 4;
  pool.timeout = absl::Seconds(5);
  transactions_ = std::make_unique<TransactionPool>(OpenTransactions(*database, *database, {"executor", "shop"}).open,
                                                    *records_, pool);
  server_ = GrpcServer::Start({*loop_, TestInfo(), attachments_, migrations_, transactions_.get()}, Reflection::kOff);
  DBOS_CHECK(server_ != nullptr);
  channel_ = Connect();
  workflows_ = v1::WorkflowService::NewStub(channel_);
  steps_ = v1::StepService::NewStub(channel_);
  admin_ = v1::AdminService::NewStub(channel_);
}

DoorFixture::~DoorFixture() {
  server_->Shutdown(absl::ZeroDuration());
  transactions_.reset();
  loop_.reset();
  server_.reset();
  std::filesystem::remove_all(directory_);
}

std::shared_ptr<grpc::Channel> DoorFixture::Connect() {
  std::array<int, 2> ends{};
  DBOS_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  server_->HandleConnection(ends[0]);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));  // what every client is told to take
  return grpc::CreateCustomInsecureChannelFromFd("sidecar", ends[1], arguments);
}

void DoorFixture::StartWorkflow(const std::string& id, const std::string& input) {
  grpc::ClientContext context;
  v1::StartWorkflowRequest request;
  request.set_workflow_id(id);
  request.set_name("checkout");
  if (!input.empty()) request.mutable_input()->set_data(input);
  v1::StartWorkflowResponse response;
  const grpc::Status status = workflows_->StartWorkflow(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

SessionClient::SessionClient(const std::shared_ptr<grpc::Channel>& channel) : stub_(v1::StepService::NewStub(channel)) {
  context_.set_deadline(std::chrono::system_clock::now() + kPatience);
  stream_ = stub_->Session(&context_);
}

SessionClient::~SessionClient() {
  if (!finished_) {
    Disconnect();
    Finish();
  }
}

v1::ClientFrame SessionClient::HelloFrame(std::uint32_t credit) {
  v1::ClientFrame frame;
  v1::Hello* hello = frame.mutable_hello();
  hello->set_protocol_min(1);
  hello->set_protocol_max(1);
  hello->set_application_name("shop");
  hello->set_application_version("shop-1");
  hello->set_incarnation(RandomUuid());
  hello->mutable_registrations()->add_workflows()->set_name("checkout");
  hello->mutable_credit()->set_executions(credit);
  return frame;
}

v1::ClientFrame SessionClient::StepFrame(std::uint64_t seq, const v1::ExecutionRef& execution, int step_id) {
  v1::ClientFrame frame;
  frame.mutable_record_step()->set_seq(seq);
  *frame.mutable_record_step()->mutable_execution() = execution;
  v1::StepRecord* step = frame.mutable_record_step()->mutable_step();
  step->set_step_id(step_id);
  step->set_name("charge");
  step->mutable_outcome()->mutable_value()->set_data("1");
  return frame;
}

void SessionClient::Send(const v1::ClientFrame& frame) {
  v1::SessionRequest message;
  *message.add_frames() = frame;
  Send(message);
}

void SessionClient::Send(const v1::SessionRequest& message) {
  stream_->Write(message);
}

v1::Welcome SessionClient::Greet(std::uint32_t credit) {
  Send(HelloFrame(credit));
  return Next(v1::ServerFrame::kWelcome).welcome();
}

v1::ServerFrame SessionClient::Next(v1::ServerFrame::FrameCase kind) {
  while (true) {
    while (next_frame_ < event_.frames_size()) {
      const v1::ServerFrame& frame = event_.frames(next_frame_++);
      if (frame.frame_case() == kind) return frame;
    }
    next_frame_ = 0;
    event_.Clear();
    if (!stream_->Read(&event_)) return {};
  }
}

grpc::Status SessionClient::Finish() {
  finished_ = true;
  v1::SessionEvent rest;
  while (stream_->Read(&rest)) {
  }
  return stream_->Finish();
}

}  // namespace dbos::sidecar
