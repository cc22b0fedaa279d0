#include "tests/conformance/session_door.h"

#include <algorithm>

#include "sidecar/base/ids.h"

namespace dbos::sidecar {
namespace {

bool Acknowledges(const v1::ServerFrame& frame, std::uint64_t seq) {
  const auto& ranges = frame.acknowledged().ranges();
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.first() <= seq && seq <= range.last(); });
}

bool Answers(const v1::ServerFrame& frame, std::uint64_t seq) {
  return Acknowledges(frame, seq) || (frame.has_refused() && frame.refused().seq() == seq);
}

}  // namespace

SessionDoor::SessionDoor(const std::shared_ptr<grpc::Channel>& channel) : stub_(v1::StepService::NewStub(channel)) {
}

void SessionDoor::Connect() {
  Detach();
  call_ = std::make_unique<grpc::ClientContext>();
  stream_ = stub_->Session(call_.get());
  reader_ = std::thread([this] { Read(); });
}

Answer SessionDoor::Attach(const Attachment& attachment) {
  Connect();
  v1::ClientFrame frame;
  v1::Hello* hello = frame.mutable_hello();
  hello->set_protocol_min(1);
  hello->set_protocol_max(1);
  hello->set_application_name(attachment.application);
  hello->set_application_version(attachment.version);
  hello->set_incarnation(attachment.incarnation.empty() ? RandomUuid() : attachment.incarnation);
  hello->set_runtime("conformance");
  hello->mutable_credit()->set_executions(attachment.credit);
  for (const std::string& name : attachment.workflows) {
    auto* workflow = hello->mutable_registrations()->add_workflows();
    workflow->set_name(name);
    workflow->set_max_recovery_attempts(attachment.max_recovery_attempts);
  }
  for (const v1::ExecutionRef& resumed : attachment.resume) *hello->add_resume() = resumed;
  Send(std::move(frame));
  const auto answer =
      Await([](const v1::ServerFrame& candidate) { return candidate.has_welcome() || candidate.has_fatal(); });
  if (!answer) return {"NO_ANSWER", ""};
  if (answer->has_fatal()) return {v1::Reason_Name(answer->fatal().reason()), answer->fatal().message()};
  return {};
}

void SessionDoor::Detach() {
  if (call_ == nullptr) return;
  call_->TryCancel();
  reader_.join();
  stream_.reset();
  call_.reset();
  std::lock_guard<std::mutex> lock(mu_);
  frames_.clear();
  status_.reset();
  seq_ = 0;
}

bool SessionDoor::Send(const v1::SessionRequest& message) {
  std::lock_guard<std::mutex> lock(write_mu_);
  return stream_->Write(message);
}

bool SessionDoor::Send(v1::ClientFrame frame) {
  v1::SessionRequest message;
  *message.add_frames() = std::move(frame);
  return Send(message);
}

void SessionDoor::Read() {
  v1::SessionEvent event;
  while (stream_->Read(&event)) {
    for (v1::ServerFrame& frame : *event.mutable_frames()) Keep(std::move(frame));
  }
  const grpc::Status status = stream_->Finish();
  std::lock_guard<std::mutex> lock(mu_);
  status_ = status;
  changed_.notify_all();
}

void SessionDoor::Keep(v1::ServerFrame frame) {
  if (frame.has_ping()) {
    v1::ClientFrame pong;
    pong.mutable_pong()->set_nonce(frame.ping().nonce());
    if (answer_pings_) Send(std::move(pong));
    return;
  }
  std::lock_guard<std::mutex> lock(mu_);
  frames_.push_back(std::move(frame));
  changed_.notify_all();
}

std::optional<v1::ServerFrame> SessionDoor::Await(const std::function<bool(const v1::ServerFrame&)>& wanted,
                                                  int timeout_ms) {
  std::unique_lock<std::mutex> lock(mu_);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    auto found = std::find_if(frames_.begin(), frames_.end(), wanted);
    if (found != frames_.end()) {
      v1::ServerFrame frame = *found;
      // An acknowledgement may answer several requests: it stays.
      if (!frame.has_acknowledged()) frames_.erase(found);
      return frame;
    }
    if (status_ || changed_.wait_until(lock, deadline) == std::cv_status::timeout) return std::nullopt;
  }
}

bool SessionDoor::IsAnswered(std::uint64_t seq) {
  std::lock_guard<std::mutex> lock(mu_);
  return std::any_of(frames_.begin(), frames_.end(), [&](const auto& frame) { return Answers(frame, seq); });
}

Answer SessionDoor::AnswerTo(std::uint64_t seq) {
  const auto frame = Await([seq](const v1::ServerFrame& candidate) { return Answers(candidate, seq); });
  if (!frame) return {"NO_ANSWER", ""};
  if (frame->has_acknowledged()) return {};
  return {v1::Reason_Name(frame->refused().error().reason()), frame->refused().error().message()};
}

std::optional<grpc::Status> SessionDoor::Ended(int timeout_ms) {
  std::unique_lock<std::mutex> lock(mu_);
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return status_.has_value(); });
  return status_;
}

std::optional<v1::Execution> SessionDoor::Next(int timeout_ms) {
  auto frame = Await([](const v1::ServerFrame& candidate) { return candidate.has_dispatch(); }, timeout_ms);
  if (!frame) return std::nullopt;
  v1::Execution execution = std::move(*frame->mutable_dispatch());
  while (!execution.replay_complete()) {
    auto page = Await([&](const v1::ServerFrame& candidate) {
      return candidate.has_replay() &&
             candidate.replay().execution().workflow_id() == execution.execution().workflow_id();
    });
    if (!page) return std::nullopt;
    for (auto& step : *page->mutable_replay()->mutable_steps()) *execution.add_replay() = std::move(step);
    execution.set_replay_complete(page->replay().last());
  }
  return execution;
}

Answer SessionDoor::Record(const v1::ExecutionRef& execution, const v1::StepRecord& step) {
  v1::ClientFrame frame;
  const std::uint64_t seq = NextSeq();
  frame.mutable_record_step()->set_seq(seq);
  *frame.mutable_record_step()->mutable_execution() = execution;
  *frame.mutable_record_step()->mutable_step() = step;
  Send(std::move(frame));
  return AnswerTo(seq);
}

std::vector<Answer> SessionDoor::RecordAll(const v1::ExecutionRef& execution,
                                           const std::vector<v1::StepRecord>& steps) {
  v1::SessionRequest message;
  std::vector<std::uint64_t> seqs;
  for (const v1::StepRecord& step : steps) {
    v1::RecordStepFrame* frame = message.add_frames()->mutable_record_step();
    seqs.push_back(NextSeq());
    frame->set_seq(seqs.back());
    *frame->mutable_execution() = execution;
    *frame->mutable_step() = step;
  }
  Send(message);
  std::vector<Answer> answers;
  for (const std::uint64_t seq : seqs) answers.push_back(AnswerTo(seq));
  return answers;
}

Answer SessionDoor::AwaitEnd(const std::string& workflow_id, std::int64_t timeout_ms) {
  v1::ClientFrame frame;
  const std::uint64_t seq = NextSeq();
  frame.mutable_await_workflow()->set_seq(seq);
  frame.mutable_await_workflow()->set_workflow_id(workflow_id);
  frame.mutable_await_workflow()->set_timeout_ms(timeout_ms);
  Send(std::move(frame));
  const auto answer = Await([seq](const v1::ServerFrame& candidate) {
    return (candidate.has_awaited() && candidate.awaited().seq() == seq) ||
           (candidate.has_refused() && candidate.refused().seq() == seq);
  });
  if (!answer) return {"NO_ANSWER", ""};
  if (answer->has_awaited()) return {};
  return {v1::Reason_Name(answer->refused().error().reason()), answer->refused().error().message()};
}

Answer SessionDoor::Complete(const v1::ExecutionRef& execution, const v1::Outcome& outcome) {
  v1::ClientFrame frame;
  const std::uint64_t seq = NextSeq();
  frame.mutable_complete()->set_seq(seq);
  *frame.mutable_complete()->mutable_execution() = execution;
  *frame.mutable_complete()->mutable_outcome() = outcome;
  Send(std::move(frame));
  return AnswerTo(seq);
}

Answer SessionDoor::Start(const v1::StartWorkflowRequest& request, v1::StartWorkflowResponse* response) {
  v1::ClientFrame frame;
  const std::uint64_t seq = NextSeq();
  frame.mutable_start()->set_seq(seq);
  *frame.mutable_start()->mutable_start() = request;
  Send(std::move(frame));
  auto answer = Await([seq](const v1::ServerFrame& candidate) {
    return (candidate.has_started() && candidate.started().seq() == seq) ||
           (candidate.has_refused() && candidate.refused().seq() == seq);
  });
  if (!answer) return {"NO_ANSWER", ""};
  if (answer->has_refused()) {
    return {v1::Reason_Name(answer->refused().error().reason()), answer->refused().error().message()};
  }
  *response = answer->started().response();
  return {};
}

std::unique_ptr<Door> OpenSessionDoor(const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<SessionDoor>(channel);
}

}  // namespace dbos::sidecar
