#include "tests/clients/fake_sidecar.h"

#include <algorithm>
#include <utility>

#include "gtest/gtest.h"

#include "clients/cpp/src/app_runtime.h"
#include "clients/cpp/src/ids.h"
#include "clients/cpp/src/sql_stream.h"

namespace dbos::testing {
namespace {

v1::ExecutionRef ParentOf(const v1::StartFrame& frame) {
  v1::ExecutionRef parent;
  parent.set_workflow_id(frame.start().parent().workflow_id());
  parent.set_owner_token(frame.start().parent().owner_token());
  return parent;
}

}  // namespace

// What the app holds as its transport.
class FakeSidecar::Link final : public runtime::Transport {
 public:
  explicit Link(FakeSidecar& sidecar) : sidecar_(sidecar) {}
  void Open(runtime::TransportEvents* events) override {
    const Lock lock(sidecar_.mu_);
    sidecar_.events_ = events;
    ++sidecar_.streams_;
    sidecar_.changed_.notify_all();
  }
  void Write(std::string message) override {
    const Lock lock(sidecar_.mu_);
    sidecar_.incoming_.push_back(std::move(message));
    sidecar_.changed_.notify_all();
  }
  void Finish() override { Cancel(); }
  void Cancel() override { sidecar_.Break(); }
  void HandleOne(runtime::SteadyTime until) override {
    ++sidecar_.helped_;
    sidecar_.Deliver(until);
  }
  runtime::Turn* turn() override { return &sidecar_.turn_; }

 private:
  FakeSidecar& sidecar_;
};

FakeSidecar::FakeSidecar()
    : thread_([this] {
        for (turn_.Take(); Deliver(std::nullopt); turn_.Take()) turn_.Give();
      }) {
}

FakeSidecar::~FakeSidecar() {
  {
    const Lock lock(mu_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

std::unique_ptr<App> FakeSidecar::MakeApp(AppOptions options) {
  options.log = [this](const std::string& line) {
    const Lock lock(mu_);
    log_ += line + "\n";
  };
  options.drain_timeout = std::chrono::milliseconds(200);
  const auto sql = std::make_shared<runtime::SqlStreams>(sql_channel_);
  return std::make_unique<App>(
      std::make_shared<detail::AppRuntime>(std::move(options), std::make_unique<Link>(*this), nullptr, sql, sql));
}

// One round: takes what was written, handles it, and delivers the answers without the lock. False when it is over.
bool FakeSidecar::Deliver(std::optional<runtime::SteadyTime> until) {
  Lock lock(mu_);
  const auto due = [this] {
    return stopping_ || (events_ != nullptr && (closing_ || !incoming_.empty() || outgoing_.frames_size() > 0));
  };
  if (!until) {
    changed_.wait(lock, due);
  } else if (!changed_.wait_until(lock, *until, due)) {
    return true;
  }
  if (stopping_) return false;
  runtime::TransportEvents* events = events_;
  if (closing_) {
    closing_ = false;
    events_ = nullptr;
    incoming_.clear();
    outgoing_.Clear();
    held_acks_.clear();
    waiters_.clear();
    lock.unlock();
    events->OnClosed("broken by the test");
    return true;
  }
  int written = 0;
  for (; !incoming_.empty(); incoming_.pop_front(), ++written) Receive(incoming_.front());
  v1::SessionEvent event = std::exchange(outgoing_, {});
  changed_.notify_all();
  lock.unlock();
  if (event.frames_size() > 0) events->OnMessage(event);
  for (; written > 0; --written) events->OnWritten();
  return true;
}

void FakeSidecar::Receive(const std::string& message) {
  v1::SessionRequest request;
  ASSERT_TRUE(request.ParseFromString(message));
  int operations = 0;
  for (const v1::ClientFrame& frame : request.frames()) {
    frames_.push_back(frame);
    if (frame.has_record_step() || frame.has_complete() || frame.has_start()) ++operations;
    Handle(frame);
  }
  if (operations > 0) operations_per_message_.push_back(operations);
}

void FakeSidecar::Handle(const v1::ClientFrame& frame) {
  switch (frame.frame_case()) {
    case v1::ClientFrame::kHello:
      return HandleHello(frame.hello());
    case v1::ClientFrame::kStart:
      if (!Refused(frame, ParentOf(frame.start()), frame.start().seq())) HandleStart(frame.start());
      return;
    case v1::ClientFrame::kRecordStep: {
      if (Refused(frame, frame.record_step().execution(), frame.record_step().seq())) return;
      const v1::StepRecord& step = frame.record_step().step();
      workflows_[frame.record_step().execution().workflow_id()].steps.emplace(step.step_id(), step);
      return Acknowledge(frame.record_step().seq());
    }
    case v1::ClientFrame::kComplete: {
      if (Refused(frame, frame.complete().execution(), frame.complete().seq())) return;
      StoredWorkflow& workflow = workflows_[frame.complete().execution().workflow_id()];
      workflow.outcome = frame.complete().outcome();
      workflow.status = workflow.outcome.has_error() ? v1::WORKFLOW_STATUS_ERROR : v1::WORKFLOW_STATUS_SUCCESS;
      Acknowledge(frame.complete().seq());
      return AnswerWaiters(frame.complete().execution().workflow_id());
    }
    case v1::ClientFrame::kAwaitWorkflow:
      waiters_.emplace(frame.await_workflow().workflow_id(), frame.await_workflow().seq());
      return AnswerWaiters(frame.await_workflow().workflow_id());
    default:
      return;
  }
}

bool FakeSidecar::Refused(const v1::ClientFrame& frame, const v1::ExecutionRef& execution, std::uint64_t seq) {
  const bool ends_with_error = frame.complete().outcome().has_error();
  if (must_fail_.contains(execution.owner_token()) && !ends_with_error) {
    v1::ErrorDetail preceding;
    preceding.set_reason(v1::REASON_PRECEDING_OPERATION_FAILED);
    preceding.set_retry(v1::RETRY_CLASS_STOP_EXECUTION);
    AnswerRefused(seq, preceding);
    return true;
  }
  if (frame.frame_case() != refused_kind_ || ends_with_error) return false;
  AnswerRefused(seq, refusal_);
  const bool conflict = refusal_.reason() == v1::REASON_WORKFLOW_CONFLICT;
  if (refusal_.retry() == v1::RETRY_CLASS_NEVER && !conflict && !execution.owner_token().empty()) {
    must_fail_.insert(execution.owner_token());
  }
  return true;
}

void FakeSidecar::AnswerRefused(std::uint64_t seq, const v1::ErrorDetail& error) {
  v1::Refused& refused = *Answer().mutable_refused();
  refused.set_seq(seq);
  *refused.mutable_error() = error;
}

void FakeSidecar::HandleHello(const v1::Hello& hello) {
  v1::Welcome& welcome = *Answer().mutable_welcome();
  welcome.set_protocol(1);
  welcome.mutable_limits()->set_max_payload_bytes(100'000);
  welcome.mutable_limits()->set_max_name_bytes(200);
  welcome.mutable_limits()->set_max_inflight_operations(64);
  welcome.mutable_limits()->set_ping_timeout_ms(60'000);
  welcome.mutable_limits()->set_max_message_bytes(message_bytes_max_);
  for (const v1::ExecutionRef& ref : hello.resume()) {
    v1::Reattached& reattached = *welcome.add_reattached();
    *reattached.mutable_execution() = ref;
    reattached.set_verdict(verdict_);
  }
  std::set<std::string> wanted = std::exchange(undispatched_, {});
  for (const std::string& id : dispatched_) {
    const bool resumed = std::any_of(hello.resume().begin(), hello.resume().end(),
                                     [&](const auto& ref) { return ref.workflow_id() == id; });
    if (resumed || workflows_[id].status != v1::WORKFLOW_STATUS_PENDING) continue;
    workflows_[id].owner_token = runtime::RandomUuid();
    wanted.insert(id);
  }
  for (const std::string& id : wanted) Dispatch(id);
}

void FakeSidecar::HandleStart(const v1::StartFrame& frame) {
  std::string id = frame.start().workflow_id();
  if (id.empty()) id = frame.start().request_id();
  v1::Started& started = *Answer().mutable_started();
  started.set_seq(frame.seq());
  started.mutable_response()->set_workflow_id(id);
  if (frame.start().has_parent()) {
    const v1::ParentStep& parent = frame.start().parent();
    v1::StepRecord& step = workflows_[parent.workflow_id()].steps[parent.step_id()];
    step.set_step_id(parent.step_id());
    step.set_name(frame.start().name());
    step.set_child_workflow_id(id);
  }
  if (workflows_.count(id) > 0) return;
  started.mutable_response()->set_created(true);
  workflows_[id] = {.name = frame.start().name(),
                    .input = frame.start().input().data(),
                    .owner_token = frame.start().request_id(),
                    .steps = {},
                    .status = v1::WORKFLOW_STATUS_PENDING,
                    .outcome = {}};
  Dispatch(id);
}

void FakeSidecar::Acknowledge(std::uint64_t seq) {
  if (hold_acks_) {
    held_acks_.push_back(seq);
    return;
  }
  v1::Acknowledged::Range& range = *Answer().mutable_acknowledged()->add_ranges();
  range.set_first(seq);
  range.set_last(seq);
}

void FakeSidecar::AnswerWaiters(const std::string& id) {
  const auto found = workflows_.find(id);
  if (found == workflows_.end() || found->second.status == v1::WORKFLOW_STATUS_PENDING) return;
  for (auto waiter = waiters_.find(id); waiter != waiters_.end(); waiter = waiters_.find(id)) {
    v1::Awaited& awaited = *Answer().mutable_awaited();
    awaited.set_seq(waiter->second);
    awaited.mutable_response()->set_workflow_id(id);
    awaited.mutable_response()->set_status(found->second.status);
    *awaited.mutable_response()->mutable_outcome() = found->second.outcome;
    waiters_.erase(waiter);
  }
}

void FakeSidecar::Dispatch(const std::string& id) {
  StoredWorkflow& workflow = workflows_[id];
  v1::Execution& execution = *Answer().mutable_dispatch();
  execution.mutable_execution()->set_workflow_id(id);
  execution.mutable_execution()->set_owner_token(workflow.owner_token);
  execution.set_name(workflow.name);
  execution.mutable_input()->set_data(workflow.input);
  for (const auto& [step_id, step] : workflow.steps) {
    if (static_cast<std::size_t>(execution.replay_size()) < first_page_) *execution.add_replay() = step;
  }
  execution.set_replay_complete(workflow.steps.size() <= first_page_);
  dispatched_.insert(id);
}

void FakeSidecar::SetFirstPage(std::size_t steps) {
  const Lock lock(mu_);
  first_page_ = steps;
}

v1::ServerFrame FakeSidecar::Page(const std::string& id, int after, int first, int end) {
  const Lock lock(mu_);
  const StoredWorkflow& workflow = workflows_[id];
  v1::ServerFrame frame;
  v1::ReplayPage& page = *frame.mutable_replay();
  page.mutable_execution()->set_workflow_id(id);
  page.mutable_execution()->set_owner_token(workflow.owner_token);
  page.set_after_step_id(after);
  for (int step = first; step < end; ++step) *page.add_steps() = workflow.steps.at(step);
  page.set_last(end > workflow.steps.rbegin()->first);
  return frame;
}

void FakeSidecar::SetMessageBytesMax(std::uint32_t bytes) {
  const Lock lock(mu_);
  message_bytes_max_ = bytes;
}

v1::ServerFrame& FakeSidecar::Answer() {
  return *outgoing_.add_frames();
}

void FakeSidecar::AddPending(const std::string& id, const std::string& name, const std::string& input,
                             const std::vector<v1::StepRecord>& steps) {
  const Lock lock(mu_);
  StoredWorkflow& workflow = workflows_[id];
  workflow.name = name;
  workflow.input = input;
  workflow.owner_token = runtime::RandomUuid();
  for (const v1::StepRecord& step : steps) workflow.steps.emplace(step.step_id(), step);
  undispatched_.insert(id);
}

void FakeSidecar::HoldAcks() {
  const Lock lock(mu_);
  hold_acks_ = true;
}

void FakeSidecar::ReleaseAcks() {
  const Lock lock(mu_);
  hold_acks_ = false;
  for (const std::uint64_t seq : std::exchange(held_acks_, {})) Acknowledge(seq);
  changed_.notify_all();
}

void FakeSidecar::Break() {
  const Lock lock(mu_);
  closing_ = true;
  changed_.notify_all();
}

void FakeSidecar::SetVerdict(v1::Reattached::Verdict verdict) {
  const Lock lock(mu_);
  verdict_ = verdict;
}

void FakeSidecar::Refuse(v1::ClientFrame::FrameCase kind, v1::Reason reason, v1::RetryClass retry) {
  const Lock lock(mu_);
  refused_kind_ = reason == v1::REASON_UNSPECIFIED ? v1::ClientFrame::FRAME_NOT_SET : kind;
  refusal_.set_reason(reason);
  refusal_.set_retry(retry);
  refusal_.set_message("refused by the test");
}

void FakeSidecar::Push(v1::ServerFrame frame) {
  const Lock lock(mu_);
  Answer() = std::move(frame);
  changed_.notify_all();
}

void FakeSidecar::Cancel(const std::string& id) {
  v1::ServerFrame frame;
  frame.mutable_cancel()->mutable_execution()->set_workflow_id(id);
  frame.mutable_cancel()->mutable_execution()->set_owner_token(workflow(id).owner_token);
  {
    const Lock lock(mu_);
    workflows_[id].status = v1::WORKFLOW_STATUS_CANCELLED;
    AnswerWaiters(id);
  }
  Push(std::move(frame));
}

void FakeSidecar::WaitUntil(const std::function<bool(const Frames&)>& condition) {
  Lock lock(mu_);
  ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(10), [&] { return condition(frames_); }));
}

FakeSidecar::Frames FakeSidecar::frames() {
  const Lock lock(mu_);
  return frames_;
}

std::vector<int> FakeSidecar::operations_per_message() {
  const Lock lock(mu_);
  return operations_per_message_;
}

StoredWorkflow FakeSidecar::workflow(const std::string& id) {
  const Lock lock(mu_);
  return workflows_[id];
}

int FakeSidecar::streams() {
  const Lock lock(mu_);
  return streams_;
}

std::string FakeSidecar::log() {
  const Lock lock(mu_);
  return log_;
}

v1::StepRecord RecordedStep(int step_id, const std::string& name, const std::string& value) {
  v1::StepRecord step;
  step.set_step_id(step_id);
  step.set_name(name);
  step.mutable_outcome()->mutable_value()->set_data(value);
  return step;
}

}  // namespace dbos::testing
