#include "session.h"

#include <algorithm>
#include <utility>

namespace dbos::runtime {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kReconnectDelayMin{20};
constexpr milliseconds kReconnectDelayMax{1000};
constexpr milliseconds kSendAgainDelay{50};
constexpr milliseconds kSilenceCheck{1000};
constexpr std::chrono::seconds kCloseMax{2};
constexpr milliseconds kHelpMax{20};

v1::ErrorDetail LostError(const std::string& why) {
  v1::ErrorDetail error;
  error.set_reason(v1::REASON_DISCONNECTED);
  error.set_message("the connection to the sidecar was lost: " + why);
  return error;
}

v1::ErrorDetail ClosedError() {
  v1::ErrorDetail error;
  error.set_reason(v1::REASON_DISCONNECTED);
  error.set_message("the app was shut down");
  return error;
}

}  // namespace

Session::Session(Transport& transport, SessionDelegate& delegate, Timers& timers)
    : transport_(transport), delegate_(delegate), timers_(timers) {
}

void Session::Open() {
  Connect();
  timers_.After(kSilenceCheck, [this] { WatchSilence(); });
}

void Session::Connect() {
  std::string hello;
  AppendFrame(FrameKind::kHello, delegate_.MakeHello().SerializeAsString(), 0, hello);
  {
    const MutexLock lock(mu_);
    if (state_ == State::kClosed) return;
    state_ = State::kConnecting;
    stream_open_ = true;
    writing_ = true;
    last_heard_ = std::chrono::steady_clock::now();
  }
  transport_.Open(this);
  bool closed = false;
  {
    const MutexLock lock(mu_);
    closed = state_ == State::kClosed;  // Close may have looked for the stream before it was there
  }
  if (closed) return transport_.Cancel();
  transport_.Write(std::move(hello));
}

bool Session::WaitReady(SteadyTime deadline) {
  const MutexLock lock(mu_);
  while (state_ != State::kReady && state_ != State::kClosed) {
    if (!changed_.WaitUntil(mu_, deadline) && state_ != State::kReady) return false;
  }
  return state_ == State::kReady;
}

std::optional<v1::ErrorDetail> Session::fatal() const {
  const MutexLock lock(mu_);
  return fatal_;
}

void Session::Close() {
  bool polite = false;
  SteadyTime polite_until = std::chrono::steady_clock::now() + kCloseMax;
  {
    const MutexLock lock(mu_);
    closing_ = true;
    polite = state_ == State::kReady;
    if (!polite) polite_until = {};  // nobody reads what we would still say
    while (state_ == State::kReady && (writing_ || outbox_.has_control()) && changed_.WaitUntil(mu_, polite_until)) {
    }
    state_ = State::kClosed;
    changed_.NotifyAll();
  }
  RefuseAll(ClosedError());
  if (polite) transport_.Finish();
  const MutexLock lock(mu_);
  while (stream_open_ && changed_.WaitUntil(mu_, polite_until)) {
  }
  if (stream_open_) transport_.Cancel();
  while (stream_open_) changed_.Wait(mu_);
}

bool Session::Enqueue(Operation operation) {
  const MutexLock lock(mu_);
  // A session that is over has stopped, or is about to stop, every execution: nobody waits for this answer.
  if (state_ == State::kClosed) return false;
  outbox_.Push(std::move(operation));
  return MayWrite();
}

std::optional<std::uint64_t> Session::ReadyStream() const {
  const MutexLock lock(mu_);
  return state_ == State::kReady ? std::optional(stream_) : std::nullopt;
}

std::optional<bool> Session::EnqueueOn(std::uint64_t stream, Operation operation) {
  const MutexLock lock(mu_);
  if (state_ != State::kReady || stream_ != stream) return std::nullopt;
  outbox_.Push(std::move(operation));
  return MayWrite();
}

void Session::Send(Operation operation) {
  HelpNoMore();
  const std::shared_ptr<OperationOwner> owner = operation.owner;
  if (Enqueue(std::move(operation))) return Pump();
  v1::ErrorDetail error;
  {
    const MutexLock lock(mu_);
    if (state_ != State::kClosed) return;
    error = fatal_.value_or(ClosedError());
  }
  owner->OnRefused(error);
}

bool Session::EnqueueControl(FrameKind kind, const std::string& body) {
  const MutexLock lock(mu_);
  if (state_ != State::kReady) return false;
  outbox_.PushControl(kind, body);
  return MayWrite();
}

bool Session::OneIsUnanswered() const {
  const MutexLock lock(mu_);
  return state_ == State::kReady && outbox_.size() == 1;
}

bool Session::HelpNextTime() {
  return outbox_.size() == 0 && std::exchange(help_refused_, false);
}

void Session::HelpUntil(const std::function<bool()>& done) {
  Turn* const turn = transport_.turn();
  if (turn == nullptr || done() || !OneIsUnanswered()) return;
  if (!turn->TryTake()) {
    const MutexLock lock(mu_);
    help_refused_ = true;
    return;
  }
  const SteadyTime until = std::chrono::steady_clock::now() + kHelpMax;
  while (!done() && OneIsUnanswered() && std::chrono::steady_clock::now() < until) transport_.HandleOne(until);
  bool alone = false;
  {
    const MutexLock lock(mu_);
    alone = outbox_.size() == 0;
  }
  turn->Leave(alone ? Turn::Leaving::kForAMoment : Turn::Leaving::kForGood);
}

void Session::HelpNoMore() {
  if (transport_.turn() != nullptr) transport_.turn()->Release();
}

void Session::Pump() {
  std::string message;
  {
    const MutexLock lock(mu_);
    if (!MayWrite()) return;
    message = outbox_.NextMessage();
    if (message.empty()) return;
    writing_ = true;
  }
  transport_.Write(std::move(message));
}

void Session::OnWritten() {
  {
    const MutexLock lock(mu_);
    writing_ = false;
    if (closing_) changed_.NotifyAll();
  }
  Pump();
}

void Session::OnMessage(v1::SessionEvent& event) {
  {
    const MutexLock lock(mu_);
    last_heard_ = std::chrono::steady_clock::now();
    reading_ = true;
  }
  // Executions first: whoever started one finds it here when the answer to the start wakes it.
  for (v1::ServerFrame& frame : *event.mutable_frames()) {
    if (frame.has_welcome()) HandleWelcome(frame.welcome());
    if (frame.has_dispatch()) delegate_.OnDispatch(*frame.mutable_dispatch());
    if (frame.has_replay()) delegate_.OnReplay(*frame.mutable_replay());
  }
  for (v1::ServerFrame& frame : *event.mutable_frames()) HandleAnswer(frame);
  {
    const MutexLock lock(mu_);
    reading_ = false;
  }
  Pump();
}

void Session::HandleAnswer(v1::ServerFrame& frame) {
  switch (frame.frame_case()) {
    case v1::ServerFrame::kAcknowledged:
      return HandleAcknowledged(frame.acknowledged());
    case v1::ServerFrame::kRefused:
      return HandleRefused(frame.refused());
    case v1::ServerFrame::kStarted:
      return Answer(frame.started().seq(), [&](auto& owner) { owner.OnStarted(frame.started().response()); });
    case v1::ServerFrame::kAwaited:
      return Answer(frame.awaited().seq(), [&](auto& owner) { owner.OnAwaited(frame.awaited().response()); });
    case v1::ServerFrame::kTransacted: {
      v1::TransactResponse& response = *frame.mutable_transacted()->mutable_response();
      return Answer(frame.transacted().seq(), [&](auto& owner) { owner.OnTransacted(response); });
    }
    case v1::ServerFrame::kExecuted: {
      v1::ExecuteResponse& response = *frame.mutable_executed()->mutable_response();
      return Answer(frame.executed().seq(), [&](auto& owner) { owner.OnExecuted(response); });
    }
    case v1::ServerFrame::kCancel:
      return delegate_.OnCancel(frame.cancel());
    case v1::ServerFrame::kEvict:
      return delegate_.OnEvict(frame.evict());
    case v1::ServerFrame::kPing: {
      v1::Pong pong;
      pong.set_nonce(frame.ping().nonce());
      static_cast<void>(EnqueueControl(FrameKind::kPong, pong.SerializeAsString()));
      return;
    }
    case v1::ServerFrame::kDrain:
      return delegate_.Log("the sidecar is shutting down; workflows go on when it, or another one, is back");
    case v1::ServerFrame::kFatal:
      return HandleFatal(frame.fatal());
    default:
      return;
  }
}

void Session::HandleWelcome(const v1::Welcome& welcome) {
  if (welcome.limits().max_payload_bytes() > 0) max_payload_bytes_ = welcome.limits().max_payload_bytes();
  if (welcome.limits().max_name_bytes() > 0) max_name_bytes_ = welcome.limits().max_name_bytes();
  if (welcome.limits().max_message_bytes() > 0) max_message_bytes_ = welcome.limits().max_message_bytes();
  delegate_.OnWelcome(welcome);  // stops what was not adopted, so that it is not sent again
  const MutexLock lock(mu_);
  if (state_ == State::kClosed) return;
  if (welcome.limits().max_inflight_operations() > 0) {
    outbox_.set_max_in_flight(welcome.limits().max_inflight_operations());
  }
  if (welcome.limits().ping_timeout_ms() > 0) silence_max_ = milliseconds(welcome.limits().ping_timeout_ms());
  outbox_.Rewind();
  reconnect_delay_ = milliseconds(0);
  state_ = State::kReady;
  changed_.NotifyAll();
}

void Session::HandleAcknowledged(const v1::Acknowledged& acknowledged) {
  Outbox::Answered answered;
  bool help_next_time = false;
  {
    const MutexLock lock(mu_);
    outbox_.Acknowledge(acknowledged, answered);
    help_next_time = HelpNextTime();
  }
  if (help_next_time) transport_.turn()->Reserve();
  for (const auto& [owner, count] : answered) owner->OnAcknowledged(count);
}

void Session::HandleRefused(const v1::Refused& refused) {
  const v1::RetryClass retry = refused.error().retry();
  if ((retry == v1::RETRY_CLASS_SAME_REQUEST || retry == v1::RETRY_CLASS_AFTER_RECONNECT) && !IsSql(refused.seq())) {
    return SendAgainLater(refused.seq());
  }
  Answer(refused.seq(), [&](auto& owner) { owner.OnRefused(refused.error()); });
}

bool Session::IsSql(std::uint64_t seq) const {
  const MutexLock lock(mu_);
  return outbox_.IsSql(seq);
}

// The sidecar has no room for it, or no database: the whole session gives it a moment.
void Session::SendAgainLater(std::uint64_t seq) {
  {
    const MutexLock lock(mu_);
    if (!outbox_.SendAgain(seq)) return;
  }
  timers_.After(kSendAgainDelay, [this] {
    {
      const MutexLock lock(mu_);
      outbox_.Resume();
    }
    Pump();
  });
}

void Session::Answer(std::uint64_t seq, const std::function<void(OperationOwner&)>& tell) {
  Operation operation;
  bool help_next_time = false;
  {
    const MutexLock lock(mu_);
    operation = outbox_.Take(seq);
    help_next_time = HelpNextTime();
  }
  if (help_next_time) transport_.turn()->Reserve();
  if (operation.owner != nullptr) tell(*operation.owner);
}

void Session::HandleFatal(const v1::ErrorDetail& error) {
  delegate_.Log("the sidecar ended the session: " + error.message());
  const v1::RetryClass retry = error.retry();
  if (retry == v1::RETRY_CLASS_AFTER_RECONNECT || retry == v1::RETRY_CLASS_SAME_REQUEST) return;  // OnClosed follows
  {
    const MutexLock lock(mu_);
    if (state_ == State::kClosed) return;
    state_ = State::kClosed;
    fatal_ = error;
    changed_.NotifyAll();
  }
  RefuseAll(error);
  delegate_.OnFatal(error);
}

void Session::RefuseAll(const v1::ErrorDetail& error) {
  std::vector<std::shared_ptr<OperationOwner>> owners;
  {
    const MutexLock lock(mu_);
    owners = outbox_.Clear();
  }
  for (const auto& owner : owners) owner->OnRefused(error);
}

void Session::OnClosed(const std::string& why) {
  milliseconds delay{0};
  std::vector<std::shared_ptr<OperationOwner>> bound;
  {
    const MutexLock lock(mu_);
    stream_open_ = false;
    ++stream_;
    changed_.NotifyAll();
    if (state_ == State::kClosed) return;
    state_ = State::kConnecting;
    bound = outbox_.TakeBound();
    delay = reconnect_delay_;
    reconnect_delay_ = std::clamp(delay * 2, kReconnectDelayMin, kReconnectDelayMax);
  }
  for (const auto& owner : bound) owner->OnRefused(LostError(why));
  delegate_.Log("connection to the sidecar lost, connecting again: " + why);
  timers_.After(delay, [this] { Connect(); });
}

void Session::WatchSilence() {
  bool silent = false;
  {
    const MutexLock lock(mu_);
    if (state_ == State::kClosed) return;
    silent = stream_open_ && std::chrono::steady_clock::now() - last_heard_ > silence_max_;
  }
  if (silent) transport_.Cancel();
  timers_.After(kSilenceCheck, [this] { WatchSilence(); });
}

}  // namespace dbos::runtime
