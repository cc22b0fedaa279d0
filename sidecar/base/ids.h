// Random identifiers.
//
// Threads:  any.
// Blocking: never (the kernel's random source is seeded at boot).
#pragma once

#include <string>

namespace dbos::sidecar {

// A fresh UUID, version 4, in lower-case text form. Unpredictable.
std::string RandomUuid();

}  // namespace dbos::sidecar
