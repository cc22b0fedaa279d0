// Execution: one run of one workflow in this process. Implements what a Context offers.
//
// Threads:  Run and the operations belong to one thread of the pool; Stop and AddReplay may come from any.
// Lifetime: shared by the runtime's table and the thread that runs it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <dbos/detail/operations.h>
#include <dbos/detail/workflow_access.h>

#include "async_step.h"
#include "journal.h"
#include "replay.h"
#include "retry.h"
#include "sql_door.h"
#include "transaction_run.h"
#include "worker_pool.h"

namespace dbos::runtime {

// What the executions of one process share.
struct Services {
  Session& session;
  Holds& holds;
  Timers& timers;
  WorkerPool& pool;
  SqlDoor& sql;
};

class Execution final : public detail::Operations, public AttemptWorld, public std::enable_shared_from_this<Execution> {
 public:
  // `finished`: the outcome is durable. `stopped`: this process must not go on with it. Neither may block.
  Execution(const Services& services, v1::Execution& dispatched, Journal::Events events);

  // The next page of recorded steps. False: it does not follow what is there.
  [[nodiscard]] bool AddReplay(v1::ReplayPage& page);
  // Until then Run must not be called.
  bool replay_complete() const { return replay_complete_; }
  // Runs the workflow to its end and sends the outcome, unless the execution was stopped. Never throws.
  void Run(const detail::WorkflowBody& body);

  const v1::ExecutionRef& ref() const { return ref_; }
  const std::string& name() const { return name_; }
  Journal& journal() { return *journal_; }

  // detail::Operations
  const std::string& workflow_id() const override { return ref_.workflow_id(); }
  std::stop_token stop_token() const override { return stop_.get_token(); }
  std::string RunStep(std::string_view name, const StepOptions& options, const detail::StepBody& body) override;
  std::shared_ptr<detail::AsyncStep> StartStep(std::string_view name, StepOptions options,
                                               detail::StepBody body) override;
  std::string RunTransaction(std::string_view name, const TransactionOptions& options,
                             const detail::TransactionBody& body) override;
  std::string RunSql(std::string_view name, std::string_view sql, const SqlParams& params,
                     const TransactionOptions& options) override;
  std::string StartChild(std::string_view name, const StartOptions& options, std::string input) override;
  std::string AwaitChild(const std::string& child_id) override;

  // AttemptWorld
  std::stop_token Stop() const override { return stop_.get_token(); }
  void Pause(std::chrono::milliseconds wait) override { journal_->Pause(wait); }
  std::shared_ptr<void> StopAfter(std::chrono::milliseconds timeout, std::stop_source source) override;
  double Random() override;

  // The body of a step on the calling thread, with its attempts. For AsyncTask as well.
  StoredOutcome RunBody(const StepCall& call, const detail::StepBody& body);
  Operation EncodeRecord(std::int32_t step_id, std::string_view name, const StoredOutcome& outcome,
                         std::int64_t started_at_ms, std::string_view child_id = {}) const;

 private:
  StoredOutcome RunWorkflow(const detail::WorkflowBody& body);
  void RecordStep(std::int32_t step_id, std::string_view name, const StoredOutcome& outcome,
                  std::int64_t started_at_ms);
  std::string RunSqlStep(std::string_view name, const TransactionOptions& options,
                         const std::function<StepRun::Result(StepRun&)>& run);
  const v1::StepRecord* TakeRecorded(std::int32_t step_id, std::string_view name);
  [[noreturn]] void Mismatch(const v1::StepRecord& recorded, std::string_view called);
  void CheckCall(std::string_view what, std::string_view name) const;
  void WaitAccepted(const std::shared_ptr<Reply>& reply);
  StoredOutcome AwaitOutcome(const std::string& child_id);
  void JoinAsyncSteps();

  const Services services_;
  const v1::ExecutionRef ref_;
  const std::string name_;
  const v1::Payload input_;
  Replay replay_;
  std::atomic<bool> replay_complete_;
  std::stop_source stop_;
  std::shared_ptr<Journal> journal_;
  // Of the thread that runs the workflow:
  std::thread::id thread_;
  std::int32_t next_step_ = 0;
  std::vector<std::shared_ptr<AsyncTask>> async_steps_;
};

}  // namespace dbos::runtime
