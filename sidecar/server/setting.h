// Setting: one thing that can be set, with its names, its rule and how it is shown.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sidecar/server/config.h"

namespace dbos::sidecar {

struct Setting {
  std::string key;   // in dbos-config.yaml; a dot separates the section
  std::string env;   // empty: not settable there
  std::string flag;  // without the dashes; empty: not settable there
  std::string help;
  // Returns what is wrong with the value, or nothing.
  std::function<std::string(const std::string& value, Config& config)> apply;
  // The effective value for people, without secrets; empty where there is none.
  std::function<std::string(const Config& config)> show;
  // Whether the value may be in a file of its own, since it can hold a secret.
  bool has_file = false;
};

// All of them: first what the DBOS documentation has, then our own.
const std::vector<Setting>& Settings();

// The part of them that concerns databases. Those of connect_args have a key only.
std::vector<Setting> DatabaseSettings();

}  // namespace dbos::sidecar
