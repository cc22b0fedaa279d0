#include "sidecar/server/config_file.h"

#include <fstream>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

using Values = std::map<std::string, std::string>;

constexpr std::size_t kFileBytesMax = 1 << 20;

absl::StatusOr<std::string> Substituted(const std::string& text, const Environment& environment) {
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = text.find("${", at);
    out.append(text, at, open == std::string::npos ? open : open - at);
    if (open == std::string::npos) return out;
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos) return absl::InvalidArgumentError("a \"${\" without its \"}\"");
    const std::string name = text.substr(open + 2, close - open - 2);
    const char* value = environment(name.c_str());
    if (value == nullptr) {
      return absl::InvalidArgumentError("the environment variable " + name + " is not set: set it, or write the value");
    }
    out += value;
    at = close + 1;
  }
}

std::string ScalarText(const YAML::Node& node) {
  if (!node.IsSequence()) return node.IsNull() ? "" : node.as<std::string>();
  std::string joined;
  for (const YAML::Node& item : node) joined += (joined.empty() ? "" : ",") + item.as<std::string>();
  return joined;
}

// Two levels are all there is: keys, and keys of sections.
absl::Status Collect(const YAML::Node& map, const std::string& prefix, const Environment& environment, Values& into) {
  for (const auto& entry : map) {
    const std::string key = prefix + entry.first.as<std::string>();
    if (entry.second.IsMap() && prefix.empty()) {
      RETURN_IF_ERROR(Collect(entry.second, key + ".", environment, into));
      continue;
    }
    absl::StatusOr<std::string> value = Substituted(ScalarText(entry.second), environment);
    if (!value.ok()) return absl::InvalidArgumentError(key + ": " + Message(value.status()));
    into[key] = *std::move(value);
  }
  return absl::OkStatus();
}

// yaml-cpp is given the text: it leaks when it reads what opens and cannot be read, such as a directory.
absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return absl::InvalidArgumentError("cannot read the configuration file " + path + ": check the path and its mode");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kFileBytesMax) return absl::InvalidArgumentError(path + " is larger than 1 MiB");
  return text;
}

}  // namespace

absl::StatusOr<Values> ReadConfigFile(const std::string& path, const Environment& environment) {
  ASSIGN_OR_RETURN(const std::string text, ReadText(path));
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
