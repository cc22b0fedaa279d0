#include "sidecar/store/all_queries.h"

#include "sidecar/store/cancel_store.h"
#include "sidecar/store/due_store.h"
#include "sidecar/store/fence_store.h"
#include "sidecar/store/legacy_payloads.h"
#include "sidecar/store/outcome_store.h"
#include "sidecar/store/ownership_store.h"
#include "sidecar/store/rename_store.h"
#include "sidecar/store/replay_store.h"
#include "sidecar/store/start_store.h"
#include "sidecar/store/step_store.h"
#include "sidecar/store/version_store.h"
#include "sidecar/store/workflow_reads.h"

namespace dbos::sidecar {

std::vector<const Query*> AllQueries() {
  std::vector<const Query*> all;
  for (const auto queries :
       {FenceQueries(), StartQueries(), StepQueries(), OutcomeQueries(), LegacyPayloadQueries(), OwnershipQueries(),
        CancelQueries(), VersionQueries(), DueQueries(), ReplayQueries(), WorkflowQueries(), RenameQueries()}) {
    all.insert(all.end(), queries.begin(), queries.end());
  }
  return all;
}

}  // namespace dbos::sidecar
