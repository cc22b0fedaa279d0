// EngineRecords: the engine as transactions need it.
//
// Threads:  any. Blocking: Record waits for a commit, through an outage of the system database until `patience` is
// over. Lifetime: `loop` outlives it.
#pragma once

#include "absl/time/time.h"

#include "sidecar/engine/loop.h"
#include "sidecar/engine/transaction.h"

namespace dbos::sidecar {

class EngineRecords final : public WorkflowRecords {
 public:
  explicit EngineRecords(EngineLoop& loop, absl::Duration patience = absl::Seconds(60))
      : loop_(loop), patience_(patience) {}

  ExecutionStanding StandingOf(const ExecutionRef& execution) override { return loop_.StandingOf(execution); }
  // kDatabaseUnavailable also when the time is over; the record may still be written.
  Verdict Record(RecordStepRequest request) override;
  absl::Duration QuietFor() const override { return loop_.QuietFor(); }

 private:
  EngineLoop& loop_;
  const absl::Duration patience_;
};

}  // namespace dbos::sidecar
