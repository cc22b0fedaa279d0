// Link: one client connection and its connection to the real server, with the faults applied between them.
//
// Threads: confined to the proxy's thread. Blocking: Open may wait for the server's accept.
// Errors: any failure of either side ends the link; the other side sees a closed connection.
// Limits: each direction stops reading while kMaxBuffered bytes wait to be written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include "tests/testing/proxy/cockroach.h"
#include "tests/testing/proxy/sockets.h"
#include "tests/testing/proxy/statements.h"
#include "tests/testing/proxy/switchboard.h"

namespace dbos::testing {

class Link {
 public:
  static constexpr size_t kMaxBuffered = size_t{8} << 20;

  // `cockroach` may be null.
  Link(Descriptor client, std::string upstream, Switchboard& switchboard, CockroachProfile* cockroach);

  int client_fd() const { return client_.get(); }
  int server_fd() const { return server_.get(); }
  // poll(2) events to wait for on each side.
  short client_events() const;
  short server_events() const;
  // Handles what poll reported. False when the link is over.
  bool Pump(short client_ready, short server_ready);

 private:
  enum class Phase { kStartup, kOpen, kDropAfterWrite };

  absl::Status PumpOnce(short client_ready, short server_ready);
  absl::Status HandleStartup();
  absl::Status ForwardToServer();
  absl::Status ForwardToClient();
  absl::Status ApplyToMessage(const WireMessage& message, const ClientAction& action);
  absl::Status OnServerMessage(const WireMessage& message);
  bool MayForward() const;
  void CountClient(const WireMessage& message, const ClientAction& action);
  void TrackAnswer(const WireMessage& message);
  void ReleaseIfResumed();
  absl::Status FaultDone(const char* what);
  bool answer_is_held() const { return held_fault_ && answered_ >= held_segment_; }

  Descriptor client_;
  Descriptor server_;
  const std::string upstream_;
  Switchboard& switchboard_;
  StatementTracker statements_;
  std::optional<CockroachLink> cockroach_;
  Phase phase_ = Phase::kStartup;
  bool authenticated_ = false;  // the first ReadyForQuery has been seen
  bool server_spoke_ = false;
  std::string from_client_, to_server_, from_server_, to_client_;
  int64_t asked_ = 0;     // segments (Sync, simple query) sent to the server
  int64_t answered_ = 0;  // ReadyForQuery seen for them
  // kSwallowAnswer and kStallAnswer: the answer to segment `held_segment_` stays here, and the client is not read on.
  std::optional<Fault> held_fault_;
  int64_t held_segment_ = 0;
  std::string held_;
  // kStallBefore and kStallAnswer: waiting for a Resume later than this one.
  std::optional<int64_t> stalled_since_;
};

}  // namespace dbos::testing
