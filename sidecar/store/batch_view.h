// BatchView: the operations of a batch that one transaction writes. Usually all of them; when one operation is
// poisoned, those of one execution at a time.
#pragma once

#include <vector>

#include "sidecar/model/batch.h"

namespace dbos::sidecar {

struct BatchView {
  std::vector<StartOp*> starts;
  std::vector<StepOp*> steps;
  std::vector<CompletionOp*> completions;
  std::vector<ClaimOp*> claims;
  std::vector<TakeOverOp*> take_overs;
  std::vector<HandBackOp*> hand_backs;
  std::vector<DeadLetterOp*> dead_letters;
  std::vector<CancelOp*> cancels;
  std::vector<ExpireOp*> expirations;
  std::vector<RecoverOp*> recoveries;
  std::vector<RegisterVersionOp*> versions;
  std::vector<AdoptOp*> adoptions;

  bool operator==(const BatchView& other) const = default;  // the same operations
};

BatchView ViewOf(Batch& batch);

// Operations that belong to one execution stay together, in order; all others stand alone.
std::vector<BatchView> SplitByExecution(const BatchView& view);

// Whether it has an operation that can carry an error.
bool CanBeRefused(const BatchView& view);

// Gives every operation that can carry it this error.
void Refuse(const BatchView& view, const Error& error);

}  // namespace dbos::sidecar
