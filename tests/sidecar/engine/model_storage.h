// ModelStorage: the rules of Storage over plain maps, to drive the engine without a database.
//
// Not a fake of convenience: the conformance suite of tests/sidecar/store states the same rules for the real databases.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/store/storage.h"

namespace dbos::sidecar {

struct ModelRow {
  WorkflowRecord row;
  std::string creator_token;
  Payload input;
  std::map<std::int32_t, StepRecord> steps;
};

class ModelStorage : public Storage {
 public:
  std::map<std::string, ModelRow> rows;
  std::map<std::string, int> completions;  // how often each workflow became terminal: more than once is a breach
  int handed_back = 0;
  std::string executor_id = "executor";
  std::string latest_version;
  std::vector<std::string> expired_ids;
  std::vector<std::string> cancelled_ids;
  std::int64_t replay_page_steps = 1000;
  std::int64_t replay_read_max = 1000;  // workflows that one read holds
  std::string poisoned;                 // starts of this id are refused for themselves

  using Storage::Commit;
  absl::Status Commit(Batch& batch, const Meanwhile& meanwhile) override;
  absl::StatusOr<std::vector<std::string>> FindClaimable(const ClaimFilter& filter) override;
  absl::StatusOr<Due> Probe(const ProbeRequest& request) override;
  absl::StatusOr<std::vector<Replay>> LoadReplay(const std::vector<ReplayRequest>& requests,
                                                 std::int64_t max_bytes_each) override;
  absl::StatusOr<std::vector<WorkflowRecord>> ReadOutcomes(const std::vector<std::string>& ids) override;
  absl::StatusOr<std::optional<WorkflowRecord>> ReadWorkflow(const std::string& id) override;
  absl::StatusOr<std::vector<WorkflowRecord>> ListWorkflows(const WorkflowFilter& filter) override;
  absl::StatusOr<StepPage> ListSteps(const StepFilter& filter) override;

  // Somebody else takes the row: what a peer's claim or resume does.
  void Steal(const std::string& id) { rows.at(id).row.owner_token = "thief"; }

 private:
  Error Fence(const ExecutionRef& ref) const;
  void Start(StartOp& op);
  void Step(StepOp& op);
  void Complete(CompletionOp& op);
  void Claim(ClaimOp& op);
  void HandBack(HandBackOp& op);
  void Adopt(AdoptOp& op) const;
};

}  // namespace dbos::sidecar
