// Outbox: the operations of a session that are not acknowledged yet, in order, and the messages made of them.
//
// An operation stays until it is answered, so that after a reconnect everything unanswered can be sent again in the
// same order. What is answered in any order (AwaitFrame, and the transactions) is kept apart, so that it does not keep
// the rest from leaving. A request of an open transaction is never sent again: the transaction went with its stream.
//
// Threads: none of its own; the session's lock guards it. Limits: a message holds about `kMessageBytes`, and no more
//          operations than `max_in_flight` are unanswered on the stream; the others wait here.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dbos/v1/steps.pb.h"

#include "frames.h"

namespace dbos::runtime {

// Who is told of the answer, without the session's lock, on a gRPC thread: must not block or run user code.
class OperationOwner {
 public:
  OperationOwner() = default;
  virtual ~OperationOwner() = default;
  OperationOwner(const OperationOwner&) = delete;
  OperationOwner& operator=(const OperationOwner&) = delete;

  virtual void OnAcknowledged(std::size_t count) = 0;
  virtual void OnRefused(const v1::ErrorDetail& error) = 0;
  virtual void OnStarted(const v1::StartWorkflowResponse& /*response*/) {}
  virtual void OnAwaited(const v1::AwaitWorkflowResponse& /*response*/) {}
  virtual void OnTransacted(v1::TransactResponse& /*response*/) {}
  virtual void OnExecuted(v1::ExecuteResponse& /*response*/) {}
  // True: the execution was stopped, do not send this again. Called with the session's lock held: must take none.
  virtual bool Abandoned() const = 0;
  // Operations of one execution stay in order. This names the execution; by default every owner is one of its own.
  virtual const void* execution() const { return this; }
};

struct Operation {
  FrameKind kind = FrameKind::kRecordStep;
  std::string body;
  std::shared_ptr<OperationOwner> owner;
};

class Outbox {
 public:
  static constexpr std::size_t kMessageBytes = 1 << 20;

  void set_max_in_flight(std::size_t max) { max_in_flight_ = max; }

  void Push(Operation operation);
  // Frames without a seq: sent first, once, never again.
  void PushControl(FrameKind kind, const std::string& body) { AppendFrame(kind, body, 0, control_); }

  bool has_control() const { return !control_.empty(); }

  // The next message; empty when there is nothing to send now.
  std::string NextMessage();

  // Appends one owner for each operation in the ranges, grouped: {owner, count}.
  using Answered = std::vector<std::pair<std::shared_ptr<OperationOwner>, std::size_t>>;
  void Acknowledge(const v1::Acknowledged& acknowledged, Answered& answered);
  // Removes one operation; empty when the seq is unknown.
  Operation Take(std::uint64_t seq);

  // The operation was refused for now. It is to be sent again, and behind it, in order, what follows of its execution
  // on the stream: whatever the answers to that are, it has them again. Nothing but control frames leaves until Resume.
  // False: there is nothing new to resume.
  bool SendAgain(std::uint64_t seq);
  // Whether it is of a transaction: then whoever runs that knows what to do about a refusal.
  bool IsSql(std::uint64_t seq) const;
  void Resume() { paused_ = false; }

  // A new stream: everything unanswered is to be sent again, apart from what was abandoned.
  void Rewind();
  // The stream is gone, and with it what it stood for: the open transactions. Their owners.
  std::vector<std::shared_ptr<OperationOwner>> TakeBound();
  // Empties it, for a session that is over for good.
  std::vector<std::shared_ptr<OperationOwner>> Clear();

  std::size_t size() const { return queue_.size() + waits_.size(); }

 private:
  struct Slot {
    Operation operation;
    std::uint64_t seq = 0;
    bool answered = false;
  };
  void Answer(Slot& slot);
  void DropAnswered();
  std::deque<Slot>::iterator FindSlot(std::uint64_t seq);

  std::size_t max_in_flight_ = 1024;
  bool paused_ = false;
  std::uint64_t last_seq_ = 0;
  std::size_t sent_ = 0;       // queue_[0, sent_) are on the stream
  std::size_t in_flight_ = 0;  // of these, unanswered; waits count too
  std::deque<Slot> queue_;
  std::map<std::uint64_t, Operation> waits_;
  std::string control_;
};

}  // namespace dbos::runtime
