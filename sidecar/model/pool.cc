#include "sidecar/model/pool.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kHoldersNamed = 5;

}  // namespace

std::string PoolExhausted(const PoolState& state) {
  std::string holders;
  for (std::size_t n = 0; n < state.holders.size() && n < kHoldersNamed; ++n) {
    absl::StrAppend(&holders, n == 0 ? "" : ", ", state.holders[n].what, " for ",
                    absl::FormatDuration(absl::Trunc(state.holders[n].since, absl::Milliseconds(1))));
  }
  return absl::StrFormat(
      "QueuePool limit of size %d overflow %d reached, connection timed out, timeout %.2f (pool \"%s\"): in use by %s; "
      "%d wait. Raise db_engine_kwargs.pool_size, or find out what takes so long; the metric to watch is "
      "dbos_pool_connections",
      state.size, state.max_overflow, absl::ToDoubleSeconds(state.timeout), state.name, holders, state.waiting);
}

}  // namespace dbos::sidecar
