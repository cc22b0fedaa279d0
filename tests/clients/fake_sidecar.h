// FakeSidecar: a Transport that answers as a sidecar would, from memory, and shows what was sent to it.
//
// It records steps and outcomes by workflow, acknowledges them unless acknowledgements are held, and dispatches what is
// started, and again, under a new token, what a new stream does not resume. Its answers come from a thread of its own,
// as gRPC's do, or are handled by a thread that waits for one.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <dbos/dbos.h>

#include "dbos/v1/steps.pb.h"

#include "clients/cpp/src/channel.h"
#include "clients/cpp/src/transport.h"

namespace dbos::testing {

struct StoredWorkflow {
  std::string name;
  std::string input;
  std::string owner_token;
  std::map<int, v1::StepRecord> steps;
  v1::WorkflowStatus status = v1::WORKFLOW_STATUS_PENDING;
  v1::Outcome outcome;
};

class FakeSidecar {
 public:
  FakeSidecar();
  ~FakeSidecar();
  FakeSidecar(const FakeSidecar&) = delete;
  FakeSidecar& operator=(const FakeSidecar&) = delete;

  // An app over this sidecar. One at a time. What it logs is in log().
  // The way to a TransactionService of the test's own; before MakeApp.
  void SetSqlChannel(std::shared_ptr<grpc::Channel> channel) { sql_channel_ = std::move(channel); }
  std::unique_ptr<App> MakeApp(AppOptions options = {.name = "test", .version = "test-1"});

  // A workflow that an earlier process began. Dispatched when the app is attached.
  void AddPending(const std::string& id, const std::string& name, const std::string& input,
                  const std::vector<v1::StepRecord>& steps);

  // Dispatches carry at most so many recorded steps; the test pushes the others as pages.
  void SetFirstPage(std::size_t steps);
  // The recorded steps from `first` to `end`, without `end`, as the page after `after`.
  v1::ServerFrame Page(const std::string& id, int after, int first, int end);
  // As Limits.max_message_bytes of the next Welcome.
  void SetMessageBytesMax(std::uint32_t bytes);

  // Acknowledgements wait until they are released. What was received is recorded all the same.
  void HoldAcks();
  void ReleaseAcks();
  // The stream breaks; what was not acknowledged by then never will be on it.
  void Break();
  // Answers to resumed executions on the next Hello; adopted unless said otherwise.
  void SetVerdict(v1::Reattached::Verdict verdict);
  // Operations of this kind are refused from now on, until the reason is REASON_UNSPECIFIED. When the reason is not to
  // be repeated, their execution may then only end its workflow with an error.
  void Refuse(v1::ClientFrame::FrameCase kind, v1::Reason reason, v1::RetryClass retry);
  void Push(v1::ServerFrame frame);
  void Cancel(const std::string& id);

  // Blocks until `condition` holds of the frames received so far; fails the test after 10 s.
  using Frames = std::vector<v1::ClientFrame>;
  void WaitUntil(const std::function<bool(const Frames&)>& condition);
  Frames frames();
  // How many frames each message had that carried at least one operation.
  std::vector<int> operations_per_message();
  StoredWorkflow workflow(const std::string& id);
  int streams();
  std::string log();
  // How often a thread of the app that waits for an answer came to handle it itself.
  int helped() const { return helped_; }

 private:
  class Link;
  using Lock = std::unique_lock<std::mutex>;
  bool Deliver(std::optional<runtime::SteadyTime> until);
  void Receive(const std::string& message);
  void Handle(const v1::ClientFrame& frame);
  bool Refused(const v1::ClientFrame& frame, const v1::ExecutionRef& execution, std::uint64_t seq);
  void AnswerRefused(std::uint64_t seq, const v1::ErrorDetail& error);
  void HandleHello(const v1::Hello& hello);
  void HandleStart(const v1::StartFrame& frame);
  void Acknowledge(std::uint64_t seq);
  void AnswerWaiters(const std::string& id);
  void Dispatch(const std::string& id);
  v1::ServerFrame& Answer();

  std::shared_ptr<grpc::Channel> sql_channel_ = runtime::OpenChannel("unix:/nowhere");
  std::mutex mu_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool hold_acks_ = false;
  int streams_ = 0;
  v1::Reattached::Verdict verdict_ = v1::Reattached::VERDICT_ADOPTED;
  v1::ClientFrame::FrameCase refused_kind_ = v1::ClientFrame::FRAME_NOT_SET;
  v1::ErrorDetail refusal_;
  std::set<std::string> must_fail_;  // owner tokens
  runtime::TransportEvents* events_ = nullptr;
  bool closing_ = false;
  std::deque<std::string> incoming_;
  v1::SessionEvent outgoing_;
  std::vector<std::uint64_t> held_acks_;
  Frames frames_;
  std::vector<int> operations_per_message_;
  std::string log_;
  std::map<std::string, StoredWorkflow> workflows_;
  std::multimap<std::string, std::uint64_t> waiters_;
  std::set<std::string> undispatched_;
  std::set<std::string> dispatched_;
  std::size_t first_page_ = SIZE_MAX;
  std::uint32_t message_bytes_max_ = 0;
  std::atomic<int> helped_{0};
  runtime::Turn turn_;
  std::thread thread_;
};

v1::StepRecord RecordedStep(int step_id, const std::string& name, const std::string& value);

}  // namespace dbos::testing
