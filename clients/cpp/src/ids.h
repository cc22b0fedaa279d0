// Identifiers and the time. Call from any thread.
#pragma once

#include <cstdint>
#include <string>

namespace dbos::runtime {

// A UUIDv4.
std::string RandomUuid();

// A UUIDv7 (RFC 9562), for requests, and so for the workflows that are called as their request: rows that are written
// together then lie together in the database's indexes, which makes each insert cheaper.
std::string TimeOrderedUuid();

// Unix milliseconds of this host's clock.
std::int64_t NowMs();

}  // namespace dbos::runtime
