// Session over a transport of the test: closing while a stream is being opened.
#include "clients/cpp/src/session.h"

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>

#include "gtest/gtest.h"

namespace dbos::runtime {
namespace {

// A stream that is opened slowly: not before somebody has tried to end it, and what came before that has no effect.
class SlowTransport final : public Transport {
 public:
  void Open(TransportEvents* events) override {
    std::unique_lock lock(mu_);
    opening_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return cancelled_; });
    cancelled_ = false;
    events_ = events;
  }
  void Write(std::string /*message*/) override {}
  void Finish() override {}
  void Cancel() override {
    TransportEvents* events = nullptr;
    {
      const std::unique_lock lock(mu_);
      cancelled_ = true;
      events = std::exchange(events_, nullptr);
      changed_.notify_all();
    }
    if (events != nullptr) events->OnClosed("cancelled");
  }
  void WaitOpening() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return opening_; });
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  bool opening_ = false;
  bool cancelled_ = false;
  TransportEvents* events_ = nullptr;
};

class Delegate final : public SessionDelegate {
 public:
  v1::Hello MakeHello() override { return {}; }
  void OnWelcome(const v1::Welcome& /*welcome*/) override {}
  void OnDispatch(v1::Execution& /*execution*/) override {}
  void OnReplay(v1::ReplayPage& /*page*/) override {}
  void OnCancel(const v1::CancelExecution& /*cancel*/) override {}
  void OnEvict(const v1::EvictExecution& /*evict*/) override {}
  void OnFatal(const v1::ErrorDetail& /*error*/) override {}
  void Log(const std::string& /*line*/) override {}
};

TEST(SessionTest, CloseEndsAStreamThatWasJustBeingOpened) {
  SlowTransport transport;
  Delegate delegate;
  Timers timers;
  Session session(transport, delegate, timers);
  auto opened = std::async(std::launch::async, [&] { session.Open(); });
  transport.WaitOpening();
  auto closed = std::async(std::launch::async, [&] { session.Close(); });
  opened.wait();
  EXPECT_EQ(closed.wait_for(std::chrono::seconds(5)), std::future_status::ready) << "Close waits for ever";
  transport.Cancel();  // lets a Close that hangs end
  closed.wait();
  timers.Stop();
}

}  // namespace
}  // namespace dbos::runtime
