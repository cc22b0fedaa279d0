#include "tests/testing/proxy/link.h"

#include <poll.h>

#include "absl/strings/str_cat.h"

#include "sidecar/base/status.h"

namespace dbos::testing {

Link::Link(Descriptor client, std::string upstream, Switchboard& switchboard, CockroachProfile* cockroach)
    : client_(std::move(client)), upstream_(std::move(upstream)), switchboard_(switchboard) {
  if (cockroach != nullptr) cockroach_.emplace(*cockroach);
}

short Link::client_events() const {
  const bool read = !stalled_since_ && phase_ != Phase::kDropAfterWrite && to_server_.size() < kMaxBuffered;
  return static_cast<short>((read ? POLLIN : 0) | (to_client_.empty() ? 0 : POLLOUT));
}

short Link::server_events() const {
  if (phase_ == Phase::kDropAfterWrite) return POLLOUT;
  return static_cast<short>((to_client_.size() < kMaxBuffered ? POLLIN : 0) | (to_server_.empty() ? 0 : POLLOUT));
}

bool Link::Pump(short client_ready, short server_ready) {
  return PumpOnce(client_ready, server_ready).ok();
}

absl::Status Link::PumpOnce(short client_ready, short server_ready) {
  constexpr short kReadable = POLLIN | POLLHUP | POLLERR;
  ReleaseIfResumed();
  const bool reads_client = (client_events() & POLLIN) != 0;
  if (!reads_client && (client_ready & (POLLHUP | POLLERR)) != 0) return absl::UnavailableError("the client is gone");
  if (reads_client && (client_ready & kReadable) != 0) RETURN_IF_ERROR(ReadAvailable(client_, from_client_));
  if (phase_ == Phase::kStartup) RETURN_IF_ERROR(HandleStartup());
  RETURN_IF_ERROR(ForwardToServer());
  if (server_.valid()) {
    RETURN_IF_ERROR(WriteAvailable(server_, to_server_));
    if (phase_ == Phase::kDropAfterWrite) {
      return to_server_.empty() ? FaultDone("dropped during the commit") : absl::OkStatus();
    }
  }
  absl::Status server_state;
  if ((server_ready & kReadable) != 0) server_state = ReadAvailable(server_, from_server_);
  RETURN_IF_ERROR(ForwardToClient());
  RETURN_IF_ERROR(WriteAvailable(client_, to_client_));
  return server_state;  // last, so that the server's parting words reach the client
}

absl::Status Link::HandleStartup() {
  StartupPacket packet;
  switch (NextStartup(from_client_, packet)) {
    case Framing::kIncomplete:
      return absl::OkStatus();
    case Framing::kTooLarge:
      return absl::InvalidArgumentError("not a PostgreSQL start-up packet");
    case Framing::kComplete:
      break;
  }
  const size_t size = packet.whole.size();
  if (packet.kind == StartupKind::kEncryptionRequest) {
    to_client_.push_back('N');  // refused: the proxy has to read the stream
    from_client_.erase(0, size);
    return HandleStartup();
  }
  ASSIGN_OR_RETURN(server_, Connect(upstream_));
  to_server_.append(packet.whole);
  from_client_.erase(0, size);
  phase_ = Phase::kOpen;
  return absl::OkStatus();
}

absl::Status Link::ForwardToServer() {
  size_t used = 0;
  WireMessage message;
  while (MayForward()) {
    const Framing framing = NextMessage(std::string_view(from_client_).substr(used), message);
    if (framing == Framing::kTooLarge) return absl::InvalidArgumentError("a client message is too large");
    if (framing == Framing::kIncomplete) break;
    RETURN_IF_ERROR(ApplyToMessage(message, statements_.OnClient(message)));
    used += message.whole.size();
  }
  from_client_.erase(0, used);
  return absl::OkStatus();
}

// Asked before each message and after each read, so that what a client sends after a Stall is never forwarded.
bool Link::MayForward() const {
  const bool segment_is_held = held_fault_ && asked_ > held_segment_;
  return phase_ == Phase::kOpen && !stalled_since_ && !segment_is_held && !switchboard_.stalled();
}

absl::Status Link::ApplyToMessage(const WireMessage& message, const ClientAction& action) {
  const std::optional<Fault> fault = switchboard_.Decide(action, statements_);
  if (fault == Fault::kDropBefore) return FaultDone("dropped before the commit");
  CountClient(message, action);
  if (cockroach_) {
    asked_ += cockroach_->ToServer(message, to_server_);
    return absl::OkStatus();
  }
  to_server_.append(message.whole);
  if (fault == Fault::kDropDuring) phase_ = Phase::kDropAfterWrite;
  if (fault == Fault::kSwallowAnswer || fault == Fault::kStallAnswer) {
    held_fault_ = fault;
    held_segment_ = asked_;
  }
  if (fault == Fault::kStallBefore) {
    // Kept apart until Resume.
    held_ = std::string(message.whole);
    to_server_.erase(to_server_.size() - message.whole.size());
    stalled_since_ = switchboard_.resumes();
    switchboard_.Add({.faults = 1});
  }
  if (action.ends_segment) ++asked_;
  return absl::OkStatus();
}

void Link::CountClient(const WireMessage& message, const ClientAction& action) {
  Counts delta{.bytes_to_server = static_cast<int64_t>(message.whole.size())};
  if (action.ends_segment) delta.syncs = 1;
  if (action.executes) delta.executes = 1;
  if (message.type == 'H') delta.flushes = 1;
  if (server_spoke_ && authenticated_) delta.turns = 1;
  server_spoke_ = false;
  switchboard_.Add(delta);
}

absl::Status Link::ForwardToClient() {
  size_t used = 0;
  WireMessage message;
  while (!(held_fault_ == Fault::kStallAnswer && stalled_since_)) {
    const Framing framing = NextMessage(std::string_view(from_server_).substr(used), message);
    if (framing == Framing::kTooLarge) return absl::InvalidArgumentError("a server message is too large");
    if (framing == Framing::kIncomplete) break;
    RETURN_IF_ERROR(OnServerMessage(message));
    used += message.whole.size();
  }
  from_server_.erase(0, used);
  return absl::OkStatus();
}

absl::Status Link::OnServerMessage(const WireMessage& message) {
  const bool held = answer_is_held();
  std::string& out = held ? held_ : to_client_;
  if (cockroach_) {
    cockroach_->ToClient(message, out);
  } else {
    out.append(message.whole);
  }
  server_spoke_ = true;
  TrackAnswer(message);
  if (!held || message.type != 'Z') return absl::OkStatus();
  if (held_fault_ == Fault::kSwallowAnswer) return FaultDone("the answer to the commit was swallowed");
  stalled_since_ = switchboard_.resumes();
  switchboard_.Add({.faults = 1});
  return absl::OkStatus();
}

void Link::TrackAnswer(const WireMessage& message) {
  Counts delta{.bytes_to_client = static_cast<int64_t>(message.whole.size())};
  std::string_view body = message.body;
  if (message.type == 'C' && TakeString(body) == "COMMIT") delta.commits = 1;
  if (message.type == 'Z' && authenticated_) {
    delta.ready_for_query = 1;
    if (++answered_ == asked_ && !message.body.empty()) statements_.OnServerIdle(message.body.front());
  }
  if (message.type == 'Z') authenticated_ = true;
  switchboard_.Add(delta);
}

void Link::ReleaseIfResumed() {
  if (!stalled_since_ || switchboard_.resumes() <= *stalled_since_) return;
  stalled_since_.reset();
  (held_fault_ ? to_client_ : to_server_).append(held_);
  held_.clear();
  held_fault_.reset();
}

absl::Status Link::FaultDone(const char* what) {
  // What went before the fault still arrives, if there is room for it. Closed first, counted second: whoever waits
  // for the fault then sees its effect.
  WriteAvailable(client_, to_client_).IgnoreError();
  WriteAvailable(server_, to_server_).IgnoreError();
  client_.Reset();
  server_.Reset();
  switchboard_.Add({.faults = 1});
  return absl::AbortedError(what);
}

}  // namespace dbos::testing
