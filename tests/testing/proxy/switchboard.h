// Switchboard: the faults that a test has ordered, and what the proxy has counted.
//
// Shared between the test's threads and the proxy's thread. Threads: any. Blocking: WaitForFaults only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "tests/testing/proxy/statements.h"

namespace dbos::testing {

// What happens to the connection whose message was chosen.
enum class Fault {
  kDropBefore,     // the message never reaches the server: surely not committed
  kDropDuring,     // the message reaches the server, nobody reads the answer: committed or not
  kSwallowAnswer,  // the server has answered, the client never hears it: surely committed (if it could be)
  kStallBefore,    // the message waits in the proxy until Resume
  kStallAnswer,    // the server has the message, its answer waits in the proxy until Resume
};

// Which messages count.
enum class CommitPoint {
  kExplicit,  // a COMMIT statement
  kAny,       // that, and the Sync or simple query that commits an implicit transaction
};

struct FaultOrder {
  Fault fault = Fault::kDropBefore;
  CommitPoint at = CommitPoint::kExplicit;
  // Only transactions in which a statement with this text ran; empty for all.
  std::string mentions = {};
  int skip = 0;   // let this many pass first
  int times = 1;  // then hit this many
};

struct Counts {
  int64_t connections = 0;      // accepted
  int64_t refused = 0;          // closed at once, because of SetAccepting
  int64_t syncs = 0;            // Sync and simple Query messages: round trips asked for
  int64_t ready_for_query = 0;  // answers to them: round trips done
  int64_t flushes = 0;          // Flush messages: a way to ask for an answer without Sync
  int64_t executes = 0;         // statements run
  int64_t commits = 0;          // COMMIT answers of the server
  int64_t turns = 0;            // times a client spoke after its server had: a lower bound of the waits on the wire
  int64_t bytes_to_server = 0;
  int64_t bytes_to_client = 0;
  int64_t faults = 0;  // orders carried out
};

class Switchboard {
 public:
  // Replaces the order before it.
  void Arm(const FaultOrder& order);
  void Disarm();
  // Holds every connection still, both ways, until Resume.
  void Stall();
  void Resume();
  bool stalled() const;
  // Increases with each Resume: a stalled connection waits for a later one.
  int64_t resumes() const;

  Counts counts() const;
  void ResetCounts();
  // True when `count` faults have been carried out since the last ResetCounts.
  bool WaitForFaults(int64_t count, absl::Duration timeout);

  // For the proxy's thread.
  std::optional<Fault> Decide(const ClientAction& action, const StatementTracker& statements);
  void Add(const Counts& delta);

 private:
  mutable sidecar::Mutex mu_;
  sidecar::CondVar changed_;
  std::optional<FaultOrder> order_ ABSL_GUARDED_BY(mu_);
  bool stalled_ ABSL_GUARDED_BY(mu_) = false;
  int64_t resumes_ ABSL_GUARDED_BY(mu_) = 0;
  Counts counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::testing
