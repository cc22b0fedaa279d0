// `dbos-sidecar config check`: what is effective, and where it comes from.
#include <algorithm>
#include <cstdio>

#include "sidecar/server/commands.h"
#include "sidecar/server/exit_codes.h"
#include "sidecar/server/setting.h"

namespace dbos::sidecar {
namespace {

struct Line {
  std::string key;
  std::string value;
  std::string origin;
};

}  // namespace

int ConfigCheckCommand(const Config& config, const Origins& origins) {
  std::vector<Line> lines;
  std::size_t key_width = 0;
  std::size_t value_width = 0;
  for (const Setting& setting : Settings()) {
    const auto origin = origins.find(setting.key);
    const bool is_set = origin != origins.end();
    if (!is_set && setting.flag.empty()) continue;  // a libpq parameter that nobody mentioned
    std::string value = setting.show(config);
    if (value.empty()) value = "(none)";
    key_width = std::max(key_width, setting.key.size());
    value_width = std::max(value_width, value.size());
    lines.push_back({setting.key, std::move(value), is_set ? origin->second : "default"});
  }
  for (const Line& line : lines) {
    std::printf("%-*s  %-*s  %s\n", static_cast<int>(key_width), line.key.c_str(), static_cast<int>(value_width),
                line.value.c_str(), line.origin.c_str());
  }
  return kExitOk;
}

}  // namespace dbos::sidecar
