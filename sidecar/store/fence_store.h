// The fence: which executions still own their workflows, read under row locks that hold until the batch commits.
#pragma once

#include <span>
#include <string>

#include "sidecar/model/error.h"
#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"

namespace dbos::sidecar {

// Locks the rows of all executions that the batch concerns, in id order so that two writers cannot deadlock, and notes
// what they say in `facts`. Left out where the locks of the steps, or of the outcomes, are enough.
void PlanFence(const BatchView& view, BatchPlan& plan, BatchFacts& facts);

// Fills the verdicts of adoptions.
void PlanAdoptions(const BatchView& view, BatchPlan& plan);

// Whether the execution owned its workflow when the batch began.
bool Owned(const BatchFacts& facts, const ExecutionRef& execution);

// Why an operation of this execution was not written; kNone if it is the owner, so the reason is another one.
Error RefusalOf(const BatchFacts& facts, const ExecutionRef& execution);

std::span<const Query* const> FenceQueries();

}  // namespace dbos::sidecar
