// Storage: the one small interface between the rules of durable execution and a database.
//
// DatabaseStorage implements it over `db`; a simulator can implement it in memory.
//
// Threads:  one Storage per thread; the writer has its own, each reader has its own.
// Blocking: every call blocks for one or more database round trips.
// Errors:   Unavailable   the connection was lost or the commit is in doubt: call again with the same argument
//           Aborted       a serialization failure or deadlock: call again
//           anything else is a fault of the whole call (disk full, read-only database): nothing was written
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/base/meanwhile.h"
#include "sidecar/model/batch.h"
#include "sidecar/model/step.h"
#include "sidecar/model/workflow.h"

namespace dbos::sidecar {

// What a claim may take from the internal queue. Rows of this application or of none; of `version`, or of no version
// when `version` is the latest of this application (or none is registered); of these names.
struct ClaimFilter {
  std::string version;
  std::vector<std::string> names;
  std::int32_t limit = 0;
};

struct WorkflowFilter {
  std::vector<WorkflowStatus> status;
  std::string name;
  std::string workflow_id_prefix;
  std::string application_version;
  std::uint32_t limit = 100;
  std::uint32_t offset = 0;
  bool oldest_first = false;
  bool with_input = false;
  bool with_outcome = false;
  // Of payloads: the page ends with the workflow that reaches it.
  std::int64_t max_bytes = 8 << 20;
};

// One page of recorded steps of one workflow, in step order.
struct ReplayRequest {
  std::string workflow_id;
  std::int32_t after_step_id = -1;
};

// One page of recorded steps for people, cut at about `max_bytes` of step payload.
struct StepFilter {
  std::string workflow_id;
  std::int32_t after_step_id = -1;
  std::uint32_t limit = 1000;
  std::int64_t max_bytes = 0;
};

struct StepPage {
  std::vector<StepRecord> steps;
  bool complete = false;  // false: more steps follow after the last one here
};

struct Replay {
  std::string workflow_id;
  std::optional<Payload> input;
  std::vector<StepRecord> steps;
  bool complete = false;  // false: more steps follow after the last one here
  bool deleted = false;   // there is no such workflow
};

// The per-second question "is anything due?", answered by one statement.
struct ProbeRequest {
  std::int64_t cancelled_since_ms = 0;  // database clock; the previous answer's now_ms less an overlap
};

struct Due {
  bool claimable = false;              // something ENQUEUED on the internal queue that this application may own
  bool expired = false;                // an active workflow of this application is past its deadline
  std::vector<std::string> cancelled;  // workflows of this executor cancelled since then
  std::int64_t now_ms = 0;             // database clock
};

class Storage {
 public:
  virtual ~Storage() = default;

  // Runs the batch in one transaction and fills its verdicts. OK means committed with full durability. An operation
  // that the database refuses for itself alone gets kDatabaseError; the rest are committed.
  virtual absl::Status Commit(Batch& batch, const Meanwhile& meanwhile) = 0;
  absl::Status Commit(Batch& batch) { return Commit(batch, {}); }

  // Sends the batch to the database, if that takes no waiting. Commit with the same batch has to follow, by whatever
  // thread, and does what is left; before it only the batch that came before may be committed. So `at_commit` of that
  // one may call this: both stay transactions of their own, and either may fail alone.
  virtual void Send(Batch& /*batch*/) {}

  // Ids that a ClaimOp may take, oldest first. Takes no lock that outlives the call.
  virtual absl::StatusOr<std::vector<std::string>> FindClaimable(const ClaimFilter& filter) = 0;

  virtual absl::StatusOr<Due> Probe(const ProbeRequest& request) = 0;

  // Inputs and recorded steps of many workflows, each cut at about `max_bytes_each` of step payload. The input is read
  // only for pages that start at the beginning. Answers in the order of the requests: as many as hold 16 MiB together
  // and at least one; the others are to be asked for again.
  virtual absl::StatusOr<std::vector<Replay>> LoadReplay(const std::vector<ReplayRequest>& requests,
                                                         std::int64_t max_bytes_each) = 0;

  // Status, owner token and (for terminal ones) outcome of these workflows; missing ones are absent from the answer.
  // One query for all of them.
  virtual absl::StatusOr<std::vector<WorkflowRecord>> ReadOutcomes(const std::vector<std::string>& workflow_ids) = 0;

  // One row with its payloads; none if it does not exist.
  virtual absl::StatusOr<std::optional<WorkflowRecord>> ReadWorkflow(const std::string& workflow_id) = 0;

  virtual absl::StatusOr<std::vector<WorkflowRecord>> ListWorkflows(const WorkflowFilter& filter) = 0;

  virtual absl::StatusOr<StepPage> ListSteps(const StepFilter& filter) = 0;
};

// The writer commits batches on its own pinned connection. A reader has its own too, since executions wait for it;
// reads on behalf of callers share a pool, so that they starve neither. Of that role a Storage is for one caller, whose
// wait for a connection begins when it is made: then ResourceExhausted says that it was in vain.
enum class StorageRole { kWriter, kReader, kPooled };
using StorageFactory = std::function<std::unique_ptr<Storage>(StorageRole)>;

}  // namespace dbos::sidecar
