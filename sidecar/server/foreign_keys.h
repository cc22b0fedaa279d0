// Keys of dbos-config.yaml, and options of the DBOS SDKs, that a sidecar has under another name or does without.
//
// Threads: any.
#pragma once

#include <string>

namespace dbos::sidecar {

// What to do instead of `key`, whose sections are joined with dots; empty if it is no such key.
std::string InsteadOfForeignKey(const std::string& key);

}  // namespace dbos::sidecar
