#include "sidecar/server/config_file.h"

#include <algorithm>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "sidecar/base/status.h"
#include "sidecar/server/small_file.h"
#include "sidecar/server/substitution.h"

namespace dbos::sidecar {
namespace {

using Values = std::map<std::string, std::string>;

constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr std::ptrdiff_t kDepthMax = 8;  // an alias may lead into itself

std::string ScalarText(const YAML::Node& node) {
  if (!node.IsSequence()) return node.IsNull() ? "" : node.as<std::string>();
  std::string joined;
  for (const YAML::Node& item : node) joined += (joined.empty() ? "" : ",") + item.as<std::string>();
  return joined;
}

// Appends a section's keys. yaml-cpp keeps a key that is given twice twice.
absl::Status Collect(const YAML::Node& map, const std::string& prefix, const Environment& environment, Values& into) {
  if (std::count(prefix.begin(), prefix.end(), '.') > kDepthMax) {
    return absl::InvalidArgumentError(prefix + " is nested too deeply");
  }
  for (const auto& entry : map) {
    const std::string key = prefix + entry.first.as<std::string>();
    if (entry.second.IsMap()) {
      RETURN_IF_ERROR(Collect(entry.second, key + ".", environment, into));
      continue;
    }
    absl::StatusOr<std::string> value = Substituted(ScalarText(entry.second), environment);
    if (!value.ok()) return absl::InvalidArgumentError(key + ": " + Message(value.status()));
    if (!into.emplace(key, *std::move(value)).second) {
      return absl::InvalidArgumentError(key + " is given twice: keep one of them");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Values> ReadConfigFile(const std::string& path, const Environment& environment) {
  // yaml-cpp is given the text: it leaks when it reads what opens and cannot be read, such as a directory.
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kFileBytesMax));
  Values values;
  try {
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return values;
    if (!root.IsMap()) {
      return absl::InvalidArgumentError(path + " must hold \"key: value\" lines, such as \"name: shop\"");
    }
    if (absl::Status status = Collect(root, "", environment, values); !status.ok()) {
      return absl::InvalidArgumentError(path + ": " + Message(status));
    }
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(path + ": " + error.what());
  }
  return values;
}

}  // namespace dbos::sidecar
