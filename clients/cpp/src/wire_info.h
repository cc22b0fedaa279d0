// The public records of workflows and steps, from and to the wire.
#pragma once

#include <dbos/workflow_info.h>

#include "dbos/v1/workflows.pb.h"

namespace dbos::runtime {

WorkflowInfo ToInfo(const v1::WorkflowInfo& workflow);
StepInfo ToInfo(const v1::StepRecord& step);
v1::ListWorkflowsRequest ToRequest(const ListOptions& options);

}  // namespace dbos::runtime
