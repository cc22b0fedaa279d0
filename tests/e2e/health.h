// What the standard health service of a sidecar says.
#pragma once

#include <cstdint>
#include <string>

namespace dbos::sidecar {

enum class Serving { kNoAnswer = 0, kYes = 1, kNo = 2 };

// Asks for one service: "" or "dbos.v1". Blocking: at most two seconds.
Serving AskHealth(const std::string& address, const std::string& service);

}  // namespace dbos::sidecar
