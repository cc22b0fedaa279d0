// Batch: everything that one commit writes, as typed operations with room for the database's verdict on each.
//
// The engine fills a Batch, Storage::Commit runs it in one transaction and fills the verdicts. Every operation is
// idempotent: committing the same Batch again after a lost answer gives the same rows and the same verdicts.
//
// Rules the engine keeps (Storage may CHECK them): within one batch no two StartOps have the same workflow id, no two
// StepOps have the same (workflow, step), and one execution has at most one StepOp (a StartOp with a parent counts as
// one) followed by at most one CompletionOp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/model/error.h"
#include "sidecar/model/step.h"
#include "sidecar/model/workflow.h"

namespace dbos::sidecar {

// Inserts a workflow, and with a parent also the parent's step record, or neither.
struct StartOp {
  struct Parent {
    ExecutionRef execution;
    std::int32_t step_id = 0;
    std::int64_t started_at_ms = 0;
    std::int64_t completed_at_ms = 0;
  };
  enum class Run { kNow, kEnqueue };

  std::string workflow_id;
  std::string name;
  Payload input;
  std::string creator_token;        // request id: becomes creator_xid, and owner_xid for kNow
  Run run = Run::kNow;              // kNow: PENDING, attempts 1; kEnqueue: ENQUEUED on `queue_name`, attempts 0
  std::string queue_name;           // only for kEnqueue
  std::string application_version;  // empty: NULL, "whoever runs the latest version"
  std::int64_t timeout_ms = 0;      // 0: none; kNow also sets the deadline
  std::optional<Parent> parent;
  bool look_first = false;  // while rows of an earlier life may be about: asks for `existed`

  // Verdict. An error means nothing was written for this operation:
  //   kWorkflowConflict  the id has another name (message names both)
  //   kFenced / kWorkflowCancelled / kWorkflowTerminal / kWorkflowNotFound  about the parent's execution
  //   kStepMismatch / kStepAlreadyRecorded  about the parent's step
  //   kDatabaseError     this operation is poisoned; the others of the batch were written
  Error error;
  bool created = false;  // the stored creator_xid is ours
  WorkflowStatus status = WorkflowStatus::kUnknown;
  bool existed = false;     // with look_first: the row was there before this try, so it may have been dispatched before
  std::string owner_token;  // stored owner_xid (ours unless somebody took over), if this executor holds the row
  std::int64_t deadline_ms = 0;  // stored deadline
};

// Records one step, fenced by the owner token.
struct StepOp {
  ExecutionRef execution;
  StepRecord step;
  bool outcome_follows = false;  // asked together with the execution's completion: after it, no body runs any more

  // Verdict: kNone (durable, now or by our earlier try: the stored record has the same name, completion time and bytes,
  // whatever became of the workflow since; the same name and bytes do where the workflow has ended and the outcome
  // follows), kFenced, kWorkflowCancelled, kWorkflowTerminal,
  // kWorkflowNotFound, kStepMismatch, kStepAlreadyRecorded (then `stored` is what was), kDatabaseError.
  Error error;
  std::optional<Outcome> stored;
};

// Ends a workflow, fenced by status PENDING and the owner token.
struct CompletionOp {
  ExecutionRef execution;
  Outcome outcome;
  // When the batch also holds this execution's last step: only complete if that step went in.
  std::optional<std::int32_t> after_step_id;
  std::int64_t after_completed_at_ms = 0;

  // Verdict. kWorkflowTerminal: it had ended already; `status` and `stored` say how (a lost answer to our own COMMIT
  // looks the same, and is adopted). kFenced, kWorkflowCancelled, kWorkflowNotFound, kDatabaseError,
  // kPrecedingOperationFailed.
  Error error;
  WorkflowStatus status = WorkflowStatus::kUnknown;  // the status after this batch
  std::optional<Outcome> stored;                     // only with kWorkflowTerminal
};

// ENQUEUED -> PENDING for these ids; their owner becomes `owner_token`, which the engine minted for this claim.
struct ClaimOp {
  std::vector<std::string> workflow_ids;
  std::string owner_token;
  std::string application_version;  // of the session that will run them

  std::vector<WorkflowRecord> claimed;  // verdict: the rows that are ours now, without payloads
};

// A live execution changes hands inside this sidecar: same row, new token, one attempt more.
struct TakeOverOp {
  ExecutionRef execution;  // token as it is now
  std::string new_token;
  bool count_attempt = true;  // false when the code has not run under the old token, or was left gracefully

  bool taken = false;  // verdict: false, the row was no longer ours
  std::int64_t recovery_attempts = 0;
};

// PENDING -> ENQUEUED with no owner, on its queue or the internal one.
struct HandBackOp {
  ExecutionRef execution;
  bool count_attempt = true;  // false for a graceful hand-back: the claim's attempt is given back

  bool handed_back = false;
};

// PENDING -> MAX_RECOVERY_ATTEMPTS_EXCEEDED.
struct DeadLetterOp {
  ExecutionRef execution;

  bool done = false;
};

struct CancelOp {
  std::string workflow_id;
};

// The deadline sweep: active workflows of this application past their deadline become CANCELLED, at most 1000.
struct ExpireOp {
  std::vector<std::string> expired;  // verdict
};

// At start-up: PENDING rows of this executor go back to the queue, except those whose id AND owner token are listed: a
// row under another token than the one we know is left over from an earlier life too. Runs before everything else of
// its batch: an operation in it that belongs to a recovered execution is fenced.
struct RecoverOp {
  std::vector<ExecutionRef> except;

  std::vector<std::string> recovered;  // verdict
};

struct RegisterVersionOp {
  std::string version_name;

  Error error;  // kVersionConflict when the name belongs to another application
};

// A locking read: what the database says about an execution that a reconnecting process claims to run.
struct AdoptOp {
  ExecutionRef execution;

  WorkflowStatus status = WorkflowStatus::kUnknown;  // verdict; kUnknown: no such row
  bool owned = false;                                // PENDING and the token matches
  WorkflowRecord workflow;                           // without payloads, when owned
};

struct Batch {
  std::vector<StartOp> starts;
  std::vector<StepOp> steps;
  std::vector<CompletionOp> completions;
  std::vector<ClaimOp> claims;
  std::vector<TakeOverOp> take_overs;
  std::vector<HandBackOp> hand_backs;
  std::vector<DeadLetterOp> dead_letters;
  std::vector<CancelOp> cancels;
  std::vector<ExpireOp> expirations;
  std::vector<RecoverOp> recoveries;
  std::vector<RegisterVersionOp> versions;
  std::vector<AdoptOp> adoptions;

  bool empty() const {
    return starts.empty() && steps.empty() && completions.empty() && claims.empty() && take_overs.empty() &&
           hand_backs.empty() && dead_letters.empty() && cancels.empty() && expirations.empty() && recoveries.empty() &&
           versions.empty() && adoptions.empty();
  }
};

}  // namespace dbos::sidecar
