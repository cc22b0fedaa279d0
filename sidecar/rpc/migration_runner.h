// MigrationRunner: what runs the migrations that an application sends. The server implements it.
//
// Threads:  any. Blocking: never: it has a thread of its own, and runs one request after the other.
// Lifetime: outlives the gRPC server. One that is destroyed answers what waits with Unavailable.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/model/migration_plan.h"

namespace dbos::sidecar {

struct MigrationRequest {
  enum class Action { kRun, kDryRun, kStatus };
  Action action = Action::kRun;
  MigrationChoices choices = {};
  std::vector<SqlFile> files = {};  // as they came
};

class MigrationRunner {
 public:
  virtual ~MigrationRunner() = default;

  // Errors as RunMigrations in sidecar/db has them, and FailedPrecondition when there is no application database.
  using Done = std::function<void(absl::StatusOr<std::vector<MigrationEntry>>)>;
  // `done` is called once, on another thread. The caller bounds how many wait.
  virtual void Post(MigrationRequest request, Done done) = 0;
};

}  // namespace dbos::sidecar
