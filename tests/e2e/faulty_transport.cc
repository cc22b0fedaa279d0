#include "tests/e2e/faulty_transport.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <utility>

#include <signal.h>
#include <unistd.h>

namespace dbos::testing {
namespace {

constexpr const char* kPoints[] = {"hello", "welcome", "resend"};

StreamFault ParseOne(const std::string& text) {
  std::istringstream words(text);
  std::string action;
  std::string n;
  StreamFault fault;
  std::getline(words, action, ':');
  std::getline(words, fault.point, ':');
  std::getline(words, n);
  fault.signal = action == "kill" ? SIGKILL : SIGSTOP;
  fault.n = std::atoi(n.c_str());
  const bool known = std::find(std::begin(kPoints), std::end(kPoints), fault.point) != std::end(kPoints);
  if (!known || fault.n <= 0 || (action != "kill" && action != "stop")) std::abort();
  return fault;
}

}  // namespace

std::vector<StreamFault> ParseStreamFaults(const std::string& text) {
  std::vector<StreamFault> faults;
  std::istringstream list(text);
  for (std::string one; std::getline(list, one, ',');) faults.push_back(ParseOne(one));
  return faults;
}

FaultyTransport::FaultyTransport(std::unique_ptr<runtime::Transport> transport, std::vector<StreamFault> faults)
    : transport_(std::move(transport)), faults_(std::move(faults)) {
  for (const char* point : kPoints) reached_[point] = 0;
}

void FaultyTransport::Open(runtime::TransportEvents* events) {
  events_ = events;
  next_ = Next::kHello;
  transport_->Open(this);
}

void FaultyTransport::Write(std::string message) {
  switch (next_.load()) {
    case Next::kHello:
      next_ = Next::kNothing;
      StrikeAt("hello");
      break;
    case Next::kResend:
      next_ = Next::kRest;
      StrikeAt("resend");
      break;
    case Next::kNothing:
    case Next::kRest:
      break;
  }
  transport_->Write(std::move(message));
}

void FaultyTransport::OnMessage(v1::SessionEvent& event) {
  const auto& frames = event.frames();
  if (std::any_of(frames.begin(), frames.end(), [](const v1::ServerFrame& frame) { return frame.has_welcome(); })) {
    next_ = Next::kResend;
    StrikeAt("welcome");
  }
  events_->OnMessage(event);
}

void FaultyTransport::StrikeAt(const std::string& point) {
  const int n = ++reached_.at(point);
  for (const StreamFault& fault : faults_) {
    if (fault.point != point || fault.n != n) continue;
    kill(getpid(), fault.signal);
    usleep(20'000);  // paces the strike: the signal may take effect a moment later, in this thread too
  }
}

}  // namespace dbos::testing
