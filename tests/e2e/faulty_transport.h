// FaultyTransport: a client's transport that ends or pauses its own process when it reaches a named point for the n-th
// time.
//
// DBOS_TEST_STREAM_FAULT is a list like "stop:welcome:2,kill:resend:3". Points, in the order of a reconnect:
//   hello    the Hello is made, nothing of it is written
//   welcome  the Welcome has arrived, nothing of it is read
//   resend   the Welcome is read, what follows it is made and not written
// The process comes back from a "stop" at the very same place.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "clients/cpp/src/transport.h"

namespace dbos::testing {

struct StreamFault {
  int signal = 0;
  std::string point;
  int n = 0;  // from 1
};

// Ends the process when the text is malformed: a fault that never strikes would prove nothing.
std::vector<StreamFault> ParseStreamFaults(const std::string& text);

class FaultyTransport final : public runtime::Transport, private runtime::TransportEvents {
 public:
  FaultyTransport(std::unique_ptr<runtime::Transport> transport, std::vector<StreamFault> faults);

  void Open(runtime::TransportEvents* events) override;
  void Write(std::string message) override;
  void Finish() override { transport_->Finish(); }
  void Cancel() override { transport_->Cancel(); }
  void HandleOne(runtime::SteadyTime until) override { transport_->HandleOne(until); }
  runtime::Turn* turn() override { return transport_->turn(); }

 private:
  // What the next write is.
  enum class Next { kHello, kNothing, kResend, kRest };

  void OnMessage(v1::SessionEvent& event) override;
  void OnWritten() override { events_->OnWritten(); }
  void OnClosed(const std::string& why) override { events_->OnClosed(why); }
  void StrikeAt(const std::string& point);

  const std::unique_ptr<runtime::Transport> transport_;
  const std::vector<StreamFault> faults_;
  runtime::TransportEvents* events_ = nullptr;  // the same for all streams
  std::atomic<Next> next_{Next::kHello};
  std::map<std::string, std::atomic<int>> reached_;  // has every point from the beginning
};

}  // namespace dbos::testing
