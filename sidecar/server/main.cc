// dbos-sidecar: see command_line.cc for what it can do.
#include <malloc.h>

#include "absl/synchronization/mutex.h"

#include "sidecar/server/command_line.h"

int main(int argc, char** argv) {
  // Debian's Abseil ships with the detector on and aborting; it has false positives inside gRPC.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  mallopt(M_ARENA_MAX, 2);  // memory per thread is what makes idle sidecars big
  // A commit on SQLite takes and gives back half a megabyte: without some slack each one pays for it in page faults,
  // a third of all CPU. Sidecar::Supervise gives the slack back when nothing runs.
  mallopt(M_TRIM_THRESHOLD, 8 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  return dbos::sidecar::RunCommandLine(argc, argv);
}
