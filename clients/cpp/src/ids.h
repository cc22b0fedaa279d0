// RandomUuid: a UUIDv4 for request ids, incarnations and generated workflow ids. Call from any thread.
#pragma once

#include <cstdint>
#include <string>

namespace dbos::runtime {

std::string RandomUuid();

// Unix milliseconds of this host's clock.
std::int64_t NowMs();

}  // namespace dbos::runtime
