// Verdicts: what each operation of a committed transaction came to, drawn from the facts it returned.
//
// The ordinary case needs no further read. Where an operation was not written, what is stored is read once for all of
// them, because our own earlier try may have written it and lost the answer.
#pragma once

#include <string>

#include "absl/status/status.h"

#include "sidecar/db/connection.h"
#include "sidecar/model/error.h"
#include "sidecar/store/batch_plan.h"
#include "sidecar/store/batch_view.h"

namespace dbos::sidecar {

// Fills the verdicts of starts, steps and completions. `again` gets completions that were held back because their step
// was recorded by an earlier try under another time: they are to be committed once more.
absl::Status JudgeBatch(Connection& connection, const BatchView& view, BatchFacts& facts, BatchView& again);

// The refusal of a step that is recorded under another name.
Error StepMismatch(const StepKey& key, const std::string& stored, const std::string& ran);

}  // namespace dbos::sidecar
