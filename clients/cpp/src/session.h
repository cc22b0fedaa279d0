// Session: the conversation with the sidecar. Says Hello, resends after a reconnect, answers pings, sorts the answers.
//
// What is enqueued while a write is in flight goes out together in the next message, and so does what the threads that
// one message from the sidecar wakes have to say at once. Otherwise the thread that enqueues writes by itself, so a
// lone operation costs no hand-over.
//
// Threads:  any. The delegate and the operations' owners are called on gRPC threads, without the lock.
// Blocking: only WaitReady and Close.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mutex.h"
#include "outbox.h"
#include "request_limits.h"
#include "timers.h"
#include "transport.h"

namespace dbos::runtime {

// What the sidecar asks of the process. Must not block and not run user code.
class SessionDelegate {
 public:
  SessionDelegate() = default;
  virtual ~SessionDelegate() = default;
  SessionDelegate(const SessionDelegate&) = delete;
  SessionDelegate& operator=(const SessionDelegate&) = delete;

  virtual v1::Hello MakeHello() = 0;
  virtual void OnWelcome(const v1::Welcome& welcome) = 0;
  virtual void OnDispatch(v1::Execution& execution) = 0;
  virtual void OnReplay(v1::ReplayPage& page) = 0;
  virtual void OnCancel(const v1::CancelExecution& cancel) = 0;
  virtual void OnEvict(const v1::EvictExecution& evict) = 0;
  // The session is over for good; every operation was refused with this error.
  virtual void OnFatal(const v1::ErrorDetail& error) = 0;
  virtual void Log(const std::string& line) = 0;
};

class Session final : public TransportEvents {
 public:
  Session(Transport& transport, SessionDelegate& delegate, Timers& timers);

  void Open();
  // True when the sidecar has welcomed us; false when the time is over or the session has failed: see fatal().
  bool WaitReady(SteadyTime deadline);
  std::optional<v1::ErrorDetail> fatal() const;
  // Ends the stream and waits until it has ended. Operations without an answer are refused.
  void Close();

  // For executions. True: call Pump when no lock is held.
  [[nodiscard]] bool Enqueue(Operation operation);
  [[nodiscard]] bool EnqueueControl(FrameKind kind, const std::string& body);
  void Pump();
  // For what belongs to one stream. The number of the stream that is ready now; none: there is none.
  std::optional<std::uint64_t> ReadyStream() const;
  // As Enqueue; none: that stream is gone.
  [[nodiscard]] std::optional<bool> EnqueueOn(std::uint64_t stream, Operation operation);
  // For all others: sends, or refuses at once when the session is over.
  void Send(Operation operation);

  // On a thread that waits for the answer to an operation, without a lock: handles the stream's events itself, if that
  // operation is the only one without an answer and no other thread handles them. Returns when `done`, which only an
  // event can make true, or when there is more to wait for, or after 20 ms.
  void HelpUntil(const std::function<bool()>& done);
  // The calling thread will wait in another way, or not at all.
  void HelpNoMore();

  std::size_t max_payload_bytes() const { return max_payload_bytes_.load(std::memory_order_relaxed); }
  std::size_t max_name_bytes() const { return max_name_bytes_.load(std::memory_order_relaxed); }
  std::size_t max_message_bytes() const { return max_message_bytes_.load(std::memory_order_relaxed); }
  RequestLimits limits() const { return {max_name_bytes(), max_payload_bytes()}; }

  void OnMessage(v1::SessionEvent& event) override;
  void OnWritten() override;
  void OnClosed(const std::string& why) override;

 private:
  enum class State { kIdle, kConnecting, kReady, kClosed };

  bool OneIsUnanswered() const;
  // Whether the turn is to be left free for whoever waits next: there is one, and a thread that would have helped.
  bool HelpNextTime() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool MayWrite() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return state_ == State::kReady && !writing_ && !reading_; }
  void Connect();
  void HandleWelcome(const v1::Welcome& welcome);
  void HandleAnswer(v1::ServerFrame& frame);
  void HandleAcknowledged(const v1::Acknowledged& acknowledged);
  void HandleRefused(const v1::Refused& refused);
  void HandleFatal(const v1::ErrorDetail& error);
  void SendAgainLater(std::uint64_t seq);
  bool IsSql(std::uint64_t seq) const;
  void Answer(std::uint64_t seq, const std::function<void(OperationOwner&)>& tell);
  void RefuseAll(const v1::ErrorDetail& error);
  void WatchSilence();

  Transport& transport_;
  SessionDelegate& delegate_;
  Timers& timers_;
  std::atomic<std::size_t> max_payload_bytes_{4 << 20};
  std::atomic<std::size_t> max_name_bytes_{1024};
  std::atomic<std::size_t> max_message_bytes_{8 << 20};

  mutable Mutex mu_;
  CondVar changed_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kIdle;
  bool stream_open_ ABSL_GUARDED_BY(mu_) = false;
  std::uint64_t stream_ ABSL_GUARDED_BY(mu_) = 1;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  bool reading_ ABSL_GUARDED_BY(mu_) = false;  // a message is being handled; whoever handles it pumps afterwards
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool help_refused_ ABSL_GUARDED_BY(mu_) = false;  // somebody wanted to help, but events were handled elsewhere
  Outbox outbox_ ABSL_GUARDED_BY(mu_);
  SteadyTime last_heard_ ABSL_GUARDED_BY(mu_);
  std::chrono::milliseconds silence_max_ ABSL_GUARDED_BY(mu_){10'000};
  std::chrono::milliseconds reconnect_delay_ ABSL_GUARDED_BY(mu_){0};
  std::optional<v1::ErrorDetail> fatal_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::runtime
