// Runs again what is a transaction by itself, when it met another: on CockroachDB any may. Not for ever, since whoever
// called says what to do about a conflict that stays.
//
// Threads: any. Blocking: together about half a second, beside `run`.
#pragma once

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "sidecar/db/postgres/postgres_errors.h"

namespace dbos::sidecar {

inline constexpr int kConflictTries = 10;
inline constexpr absl::Duration kConflictPause = absl::Milliseconds(1);
inline constexpr absl::Duration kConflictPauseMax = absl::Milliseconds(100);

template <typename Run>
auto RetryConflicts(Run run) -> decltype(run()) {
  auto result = run();
  absl::Duration pause = kConflictPause;
  for (int tries = 1; tries < kConflictTries && IsConflict(result.status()); ++tries) {
    absl::SleepFor(pause);  // lets the other one end
    pause = std::min(pause * 2, kConflictPauseMax);
    result = run();
  }
  return result;
}

}  // namespace dbos::sidecar
