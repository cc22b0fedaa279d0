// EngineLoop: runs an Engine on our own threads, and owns the group-commit writer.
//
// The writer thread drains the mailbox into the engine, takes the batch that came of it, commits it (blocking), and
// feeds the verdicts back: while one batch commits the next one fills, and a lone caller pays one wake-up. Where a next
// batch is waiting it is sent first, and the one before it is answered while the database works; behind a large batch
// it is sent before that one's commit is known, where the database allows (docs/adr/0005). While the writer has
// nothing to do, whoever posts an event does its work up to the point of waiting (docs/adr/0004). When a commit takes
// long, the second thread keeps the engine alive (pings, closings, refusals). Reads have threads in three lanes: the
// engine's own, the callers', which executions never wait behind, and the probe's: behind long reads it would look as
// if the database did not answer.
//
// Threads:  Post and PostRead may be called from any thread, gRPC's included, but not with a lock held that an event or
//           a sink's Flush takes; they never block on the database.
// Limits:   the mailbox is bounded by what the doors admit; reads by `reads_max`, beyond which PostRead returns false.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "sidecar/engine/engine.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

class EngineLoop {
 public:
  struct Options {
    std::size_t readers = 2;  // threads for the engine's own reads
    // Threads for PostRead. One more than the connections that they share, so that whoever waits for one in vain is
    // told in time.
    std::size_t callers = 2;
    std::size_t reads_max = 10'000;
    // Called after work was queued that other processes may run too; on any thread, and must not block. May be null.
    std::function<void()> work_for_others = {};
    absl::Duration slow_commit = absl::Milliseconds(5);
    absl::Duration retry_delay_min = absl::Milliseconds(10);
    absl::Duration retry_delay_max = absl::Seconds(1);
  };
  using Event = absl::AnyInvocable<void(Engine&)>;
  using Read = absl::AnyInvocable<void(Storage&)>;

  // Storages connect lazily: a database that is away is an outage, not an error here.
  EngineLoop(std::unique_ptr<Engine> engine, StorageFactory storage, Options options);
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;
  ~EngineLoop();  // stops all threads; what was not committed is dropped, unacknowledged

  void Start();
  void Post(Event event);
  [[nodiscard]] bool PostRead(Read read);

  // Engine::StandingOf, now.
  ExecutionStanding StandingOf(const ExecutionRef& ref);
  // Since the last Post or PostRead.
  absl::Duration QuietFor() const;

  // Waits until the engine is drained or the time is over. True: drained.
  bool DrainAndWait(absl::Duration finish_within);
  EngineStatus status();

 private:
  class Threads;
  std::unique_ptr<Threads> threads_;
};

}  // namespace dbos::sidecar
