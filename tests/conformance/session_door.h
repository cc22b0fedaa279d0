// SessionDoor: the stream door, frame by frame, so that a test can also send what no client would.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <grpcpp/client_context.h>

#include "tests/conformance/door.h"

namespace dbos::sidecar {

class SessionDoor : public Door {
 public:
  explicit SessionDoor(const std::shared_ptr<grpc::Channel>& channel);
  ~SessionDoor() override { Detach(); }

  Answer Attach(const Attachment& attachment) override;
  void Detach() override;
  std::optional<v1::Execution> Next(int timeout_ms) override;
  Answer Record(const v1::ExecutionRef& execution, const v1::StepRecord& step) override;
  std::vector<Answer> RecordAll(const v1::ExecutionRef& execution, const std::vector<v1::StepRecord>& steps) override;
  Answer AwaitEnd(const std::string& workflow_id, std::int64_t timeout_ms) override;
  Answer Complete(const v1::ExecutionRef& execution, const v1::Outcome& outcome) override;
  Answer Start(const v1::StartWorkflowRequest& request, v1::StartWorkflowResponse* response) override;

  // ---- the stream itself
  void Connect();                                // without a Hello
  bool Send(const v1::SessionRequest& message);  // false: the stream is broken
  bool Send(v1::ClientFrame frame);
  std::uint64_t NextSeq() { return ++seq_; }
  // The first frame that `wanted` accepts, now or within the time; frames before it are kept.
  std::optional<v1::ServerFrame> Await(const std::function<bool(const v1::ServerFrame&)>& wanted,
                                       int timeout_ms = 10'000);
  Answer AnswerTo(std::uint64_t seq);
  bool IsAnswered(std::uint64_t seq);  // by now
  // The status the stream ended with; none if it has not ended in time.
  std::optional<grpc::Status> Ended(int timeout_ms = 10'000);
  void AnswerPings(bool answer) { answer_pings_ = answer; }

 private:
  using Stream = grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionEvent>;
  void Read();
  void Keep(v1::ServerFrame frame);

  const std::unique_ptr<v1::StepService::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> call_;
  std::unique_ptr<Stream> stream_;
  std::thread reader_;
  std::uint64_t seq_ = 0;
  std::atomic<bool> answer_pings_{true};

  std::mutex write_mu_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::deque<v1::ServerFrame> frames_;
  std::optional<grpc::Status> status_;
};

}  // namespace dbos::sidecar
