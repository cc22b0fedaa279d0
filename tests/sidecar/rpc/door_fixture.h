// DoorFixture: the real services over the real engine and a SQLite file, reached through socket pairs by generated
// stubs. What is missing of a sidecar is only its process.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dbos/v1/admin.grpc.pb.h"
#include "dbos/v1/steps.grpc.pb.h"
#include "dbos/v1/workflows.grpc.pb.h"

#include "sidecar/engine/engine_records.h"
#include "sidecar/engine/transaction_pool.h"
#include "sidecar/rpc/grpc_server.h"

namespace dbos::sidecar {

// Remembers who is attached.
class AttachedNow final : public Attachments {
 public:
  void Attached(SessionId session, const std::string& incarnation, const std::optional<ProcessIdentity>&) override {
    std::lock_guard<std::mutex> lock(mu_);
    sessions_[session] = incarnation;
  }
  void Detached(SessionId session) override {
    std::lock_guard<std::mutex> lock(mu_);
    sessions_.erase(session);
  }
  std::size_t size() const {
    std::lock_guard<std::mutex> lock(mu_);
    return sessions_.size();
  }

 private:
  mutable std::mutex mu_;
  std::map<SessionId, std::string> sessions_;
};

// Answers migrations on another thread, as a test says.
class ScriptedMigrations final : public MigrationRunner {
 public:
  using Answer = std::function<absl::StatusOr<std::vector<MigrationEntry>>(const MigrationRequest&)>;

  ~ScriptedMigrations() override;
  void Post(MigrationRequest request, Done done) override;

  Answer answer;  // set it before the first call
  std::size_t posted() const { return posted_.load(); }

 private:
  std::mutex mu_;
  std::vector<std::thread> threads_;
  std::atomic<std::size_t> posted_ = 0;
};

class DoorFixture : public testing::Test {
 protected:
  DoorFixture();
  ~DoorFixture() override;

  // A connection of its own.
  std::shared_ptr<grpc::Channel> Connect();

  std::string directory_;
  AttachedNow attachments_;
  ScriptedMigrations migrations_;
  std::unique_ptr<EngineLoop> loop_;
  std::unique_ptr<EngineRecords> records_;
  std::unique_ptr<TransactionPool> transactions_;  // on the same file, which has no tables of the application yet
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::WorkflowService::Stub> workflows_;
  std::unique_ptr<v1::StepService::Stub> steps_;
  std::unique_ptr<v1::AdminService::Stub> admin_;

  // Starts a workflow of this id and the name "checkout"; dies if that is refused.
  void StartWorkflow(const std::string& id, const std::string& input = "");
};

// The client's end of one session. Every read is bounded by the call's deadline.
class SessionClient {
 public:
  explicit SessionClient(const std::shared_ptr<grpc::Channel>& channel);
  ~SessionClient();
  SessionClient(const SessionClient&) = delete;
  SessionClient& operator=(const SessionClient&) = delete;

  static v1::ClientFrame HelloFrame(std::uint32_t credit = 10);
  static v1::ClientFrame StepFrame(std::uint64_t seq, const v1::ExecutionRef& execution, int step_id);

  void Send(const v1::ClientFrame& frame);
  void Send(const v1::SessionRequest& message);
  // Says Hello and waits for Welcome.
  v1::Welcome Greet(std::uint32_t credit = 10);

  // The next frame of this kind; frames of other kinds on the way are dropped. A default frame when the stream ended.
  v1::ServerFrame Next(v1::ServerFrame::FrameCase kind);

  void Disconnect() { context_.TryCancel(); }
  grpc::Status Finish();
  const grpc::ClientContext& context() const { return context_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::StepService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionEvent>> stream_;
  v1::SessionEvent event_;
  int next_frame_ = 0;
  bool finished_ = false;
};

}  // namespace dbos::sidecar
