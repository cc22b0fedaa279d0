// dbos-sidecar: see command_line.cc for what it can do.
#include <malloc.h>

#include "absl/synchronization/mutex.h"

#include "sidecar/server/command_line.h"

int main(int argc, char** argv) {
  // Debian's Abseil ships with the detector on and aborting; it has false positives inside gRPC.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  mallopt(M_ARENA_MAX, 2);  // memory per thread is what makes idle sidecars big
  return dbos::sidecar::RunCommandLine(argc, argv);
}
