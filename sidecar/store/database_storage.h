// DatabaseStorage: Storage over a database. Commits go over a writer's connection, reads over a reader's; each is
// opened by its first use, so a thread that only commits or only reads has one.
//
// Threads, blocking, errors: as Storage says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "sidecar/db/connection.h"
#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"
#include "sidecar/store/legacy_payloads.h"
#include "sidecar/store/storage.h"

namespace dbos::sidecar {

class DatabaseStorage : public Storage {
 public:
  DatabaseStorage(std::unique_ptr<Connection> connection, Identity identity, LegacyPayloads legacy_payloads,
                  absl::Duration cut_off_patience);
  DatabaseStorage(const DatabaseStorage&) = delete;
  DatabaseStorage& operator=(const DatabaseStorage&) = delete;
  ~DatabaseStorage() override;

  using Storage::Commit;
  absl::Status Commit(Batch& batch, const Meanwhile& meanwhile) override;
  void Send(Batch& batch) override;
  absl::StatusOr<std::vector<std::string>> FindClaimable(const ClaimFilter& filter) override;
  absl::StatusOr<Due> Probe(const ProbeRequest& request) override;
  absl::StatusOr<std::vector<Replay>> LoadReplay(const std::vector<ReplayRequest>& requests,
                                                 std::int64_t max_bytes_each) override;
  absl::StatusOr<std::vector<WorkflowRecord>> ReadOutcomes(const std::vector<std::string>& workflow_ids) override;
  absl::StatusOr<std::optional<WorkflowRecord>> ReadWorkflow(const std::string& workflow_id) override;
  absl::StatusOr<std::vector<WorkflowRecord>> ListWorkflows(const WorkflowFilter& filter) override;
  absl::StatusOr<StepPage> ListSteps(const StepFilter& filter) override;

 private:
  struct Transaction;
  absl::StatusOr<std::unique_ptr<Transaction>> Plan(BatchView of);
  absl::Status Finish(Transaction& transaction, const Meanwhile& meanwhile);
  absl::Status CommitView(const BatchView& view, const Meanwhile& meanwhile);
  absl::Status CommitOneByOne(const BatchView& view, const absl::Status& refusal);
  bool IsCutOffForGood() const;

  const std::unique_ptr<Connection> connection_;
  const Identity identity_;
  const LegacyPayloads legacy_payloads_;
  const absl::Duration cut_off_patience_;
  std::unique_ptr<Transaction> sent_;  // by Send; Commit has yet to come
  // The server's statement_timeout, or an administrator, has ended the last commits: so many, since then.
  int cut_off_ = 0;
  absl::Time cut_off_since_;
};

}  // namespace dbos::sidecar
