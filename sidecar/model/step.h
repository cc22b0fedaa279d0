// One recorded operation of a workflow: a row of operation_outputs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sidecar/model/workflow.h"

namespace dbos::sidecar {

struct StepRecord {
  std::int32_t step_id = 0;
  std::string name;
  std::optional<Outcome> outcome;    // none: the operation has no value (child start)
  std::string child_workflow_id;     // empty: none
  std::int64_t started_at_ms = 0;    // application clock
  std::int64_t completed_at_ms = 0;  // application clock, fixed before the first try of the write
};

}  // namespace dbos::sidecar
