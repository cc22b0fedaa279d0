// Where the engine's answers go: the two doors implement these, the engine calls them.
//
// Threads:  the engine calls every method but Flush with its lock held, so they only append to a queue. Flush is called
//           afterwards, without the lock, once per round for each sink that was appended to.
// Lifetime: shared, because an answer can outlive the call or the session that asked. After the other end has gone a
//           sink ignores what it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/model/error.h"
#include "sidecar/model/step.h"
#include "sidecar/model/workflow.h"

namespace dbos::sidecar {

struct StartResult {
  std::string workflow_id;
  WorkflowStatus status = WorkflowStatus::kUnknown;
  bool created = false;
};

struct AwaitResult {
  std::string workflow_id;
  WorkflowStatus status = WorkflowStatus::kUnknown;  // kUnknown: the wait timed out
  std::optional<Outcome> outcome;
};

// `seq` is the caller's name for the request that is answered.
class ReplySink {
 public:
  virtual ~ReplySink() = default;

  virtual void Acknowledged(std::uint64_t seq) = 0;
  virtual void Refused(std::uint64_t seq, Error error) = 0;
  // The step has another outcome already. True: that one is as good to the caller. False: it is to be refused, since
  // the code is not deterministic.
  virtual bool RecordedBefore(std::uint64_t /*seq*/, const Outcome& /*outcome*/) { return false; }
  virtual void Started(std::uint64_t seq, StartResult result) = 0;
  virtual void Awaited(std::uint64_t seq, AwaitResult result) = 0;

  // Sends what was appended.
  virtual void Flush() = 0;
};

// An execution to run, as the engine hands it out.
struct Dispatch {
  ExecutionRef execution;
  std::string name;
  Payload input;
  std::int64_t recovery_attempts = 0;
  std::int64_t deadline_ms = 0;
  std::string parent_workflow_id;
  std::string application_version;
  std::vector<StepRecord> replay;
  bool replay_complete = true;  // false: ReplayPage calls follow
};

struct ReplayPage {
  ExecutionRef execution;
  std::vector<StepRecord> steps;
  bool last = false;
  std::int32_t after_step_id = -1;  // the last step before this page
};

enum class ReattachVerdict { kAdopted = 1, kStale = 2, kCancelled = 3, kFinished = 4, kUnknown = 5 };

struct Reattached {
  ExecutionRef execution;
  ReattachVerdict verdict = ReattachVerdict::kUnknown;
};

// Executions are handed out while no more than this waits on a session's stream.
inline constexpr std::size_t kStreamBytesAhead = std::size_t{16} << 20;

class SessionSink : public ReplySink {
 public:
  // What was appended and is not written yet. When it falls to kStreamBytesAhead, the other end wakes the engine.
  virtual std::size_t WaitingBytes() = 0;

  virtual void Welcome(std::vector<Reattached> reattached) = 0;
  virtual void Dispatched(Dispatch dispatch) = 0;
  virtual void Replayed(ReplayPage page) = 0;
  virtual void Cancelled(ExecutionRef execution, std::string reason) = 0;
  virtual void Evicted(ExecutionRef execution, Error why) = 0;
  virtual void Ping(std::uint64_t nonce) = 0;
  virtual void Pong(std::uint64_t nonce) = 0;
  virtual void Drain(std::int64_t finish_within_ms) = 0;
  // The last word: the session ends after it.
  virtual void Fatal(Error error) = 0;
};

}  // namespace dbos::sidecar
