// The proxy's command language, one line a command, for scripts.
//
//   arm FAULT [any] [skip=N] [times=N] [mentions=TEXT]   FAULT: drop-before drop-during swallow stall-before
//   stall-answer disarm | drop-all | stall | resume | refuse | accept | counts | reset wait COUNT SECONDS until COUNT
//   faults have happened since the last reset
//
// Threads: any. Blocking: `wait` only.
#pragma once

#include <string>

#include "tests/testing/proxy/pg_proxy.h"

namespace dbos::testing {

// Carries out one command and returns the one-line answer: JSON for counts, else "ok" or "error: what and the fix".
std::string RunCommand(PgProxy& proxy, const std::string& line);

}  // namespace dbos::testing
