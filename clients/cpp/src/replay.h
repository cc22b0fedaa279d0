// Replay: the steps that were recorded before this execution began, by id. Not synchronised: filled, then read.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dbos/v1/steps.pb.h"

#include "error_records.h"

namespace dbos::runtime {

class Replay {
 public:
  // Takes the records out of the field. They come in step order, and `after_step_id` is the last one before them. What
  // came before is skipped. False: steps between what came before and these are missing; nothing was taken.
  [[nodiscard]] bool Add(std::int32_t after_step_id, google::protobuf::RepeatedPtrField<v1::StepRecord>& records);
  // The record of the step, or null.
  const v1::StepRecord* Find(std::int32_t step_id) const;

 private:
  std::int32_t LastId() const { return records_.empty() ? -1 : records_.back().step_id(); }

  std::vector<v1::StepRecord> records_;
};

StoredOutcome OutcomeOf(const v1::Outcome& outcome);
// What a terminal workflow ended with, as an outcome; cancellation and dead letter become their error records.
StoredOutcome OutcomeOf(const v1::AwaitWorkflowResponse& response);

// Both names, and what to do about it.
std::string MismatchMessage(std::string_view workflow_id, const v1::StepRecord& recorded, std::string_view called);

}  // namespace dbos::runtime
