#include "replay.h"

#include <algorithm>
#include <string>

namespace dbos::runtime {

bool Replay::Add(std::int32_t after_step_id, google::protobuf::RepeatedPtrField<v1::StepRecord>& records) {
  if (after_step_id > LastId()) return false;
  records_.reserve(records_.size() + static_cast<std::size_t>(records.size()));
  for (v1::StepRecord& record : records) {
    if (record.step_id() > LastId()) records_.push_back(std::move(record));
  }
  return true;
}

const v1::StepRecord* Replay::Find(std::int32_t step_id) const {
  const auto found =
      std::lower_bound(records_.begin(), records_.end(), step_id,
                       [](const v1::StepRecord& record, std::int32_t want) { return record.step_id() < want; });
  return found != records_.end() && found->step_id() == step_id ? &*found : nullptr;
}

StoredOutcome OutcomeOf(const v1::Outcome& outcome) {
  const v1::Payload& payload = outcome.has_error() ? outcome.error() : outcome.value();
  StoredOutcome stored{.failed = outcome.has_error(), .text = payload.data(), .serialization = payload.serialization()};
  if (stored.text.empty()) stored.text = "null";
  return stored;
}

StoredOutcome OutcomeOf(const v1::AwaitWorkflowResponse& response) {
  switch (response.status()) {
    case v1::WORKFLOW_STATUS_CANCELLED:
      return FailedWith(AwaitedWorkflowCancelled(response.workflow_id()).record());
    case v1::WORKFLOW_STATUS_MAX_RECOVERY_ATTEMPTS_EXCEEDED:
      return FailedWith(MaxRecoveryAttemptsExceeded(response.workflow_id()).record());
    default:
      return OutcomeOf(response.outcome());
  }
}

std::string MismatchMessage(std::string_view workflow_id, const v1::StepRecord& recorded, std::string_view called) {
  return "During execution of workflow " + std::string(workflow_id) + " step " + std::to_string(recorded.step_id()) +
         ", function " + recorded.name() + " was recorded when " + std::string(called) +
         " was expected. Check that your workflow is deterministic: with the same arguments it must call the same "
         "operations in the same order. If you changed the code, give it a new application version and let the old "
         "version finish its workflows, or fork this one from a step before the change.";
}

}  // namespace dbos::runtime
