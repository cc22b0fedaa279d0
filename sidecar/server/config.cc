#include "sidecar/server/config.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "sidecar/base/status.h"
#include "sidecar/server/config_file.h"

namespace dbos::sidecar {
namespace {

constexpr char kDefaultFile[] = "dbos-config.yaml";
constexpr char kContainerDirectory[] = "/run/dbos";
constexpr std::size_t kNameMin = 3;
constexpr std::size_t kNameMax = 30;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

absl::Status Apply(const Setting& setting, const std::string& source, const std::string& value, Config& config) {
  const std::string fault = setting.apply(value, config);
  if (fault.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(source + " " + fault + ", not \"" + value + "\"");
}

absl::Status ApplyFile(const std::string& path, const Environment& environment, Config& config) {
  ASSIGN_OR_RETURN(const auto values, ReadConfigFile(path, environment));
  for (const auto& [key, value] : values) {
    const auto known = std::find_if(Settings().begin(), Settings().end(),
                                    [&name = key](const Setting& setting) { return setting.key == name; });
    if (known == Settings().end()) {
      std::string keys;
      for (const Setting& setting : Settings()) keys += " " + setting.key;
      return absl::InvalidArgumentError(path + ": unknown key \"" + key + "\"; the keys are:" + keys);
    }
    RETURN_IF_ERROR(Apply(*known, path + ": " + key, value, config));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Config> LoadConfig(const ConfigSources& sources) {
  Config config;
  std::error_code error;
  const bool has_file = !sources.file.empty() || std::filesystem::exists(kDefaultFile, error);
  if (has_file) {
    const std::string path = sources.file.empty() ? kDefaultFile : sources.file;
    RETURN_IF_ERROR(ApplyFile(path, sources.environment, config));
  }
  for (const Setting& setting : Settings()) {
    const char* value = sources.environment(setting.env.c_str());
    if (value != nullptr && *value != '\0') RETURN_IF_ERROR(Apply(setting, setting.env, value, config));
  }
  for (const Setting& setting : Settings()) {
    const auto flag = sources.flags.find(setting.flag);
    if (flag != sources.flags.end()) RETURN_IF_ERROR(Apply(setting, "--" + setting.flag, flag->second, config));
  }
  return config;
}

absl::Status CompleteConfig(Config& config) {
  RETURN_IF_ERROR(CheckName(config.name));
  if (config.system_database_url.empty()) config.system_database_url = DefaultDatabaseUrl(config.name);
  if (config.address.empty()) config.address = DefaultAddress();
  if (!config.allowed.any && config.allowed.uids.empty()) config.allowed.uids.push_back(getuid());
  return absl::OkStatus();
}

absl::Status CheckName(const std::string& name) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        "the application has no name: use --name, DBOS_APP_NAME, or \"name:\" in dbos-config.yaml");
  }
  const bool valid =
      name.size() >= kNameMin && name.size() <= kNameMax && std::all_of(name.begin(), name.end(), IsNameCharacter);
  if (valid) return absl::OkStatus();
  return absl::InvalidArgumentError("invalid application name \"" + name +
                                    "\": it must have 3 to 30 characters, only lower-case letters, digits, dashes and "
                                    "underscores; for example \"" +
                                    SanitisedName(name) + "\"");
}

std::string SanitisedName(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    name += IsNameCharacter(lower) ? lower : '-';
  }
  name.resize(std::min(name.size(), kNameMax));
  return name.size() < kNameMin ? name + "-app" : name;
}

std::string DefaultDatabaseUrl(const std::string& name) {
  std::string file = name;
  std::replace(file.begin(), file.end(), '-', '_');
  if (!file.empty() && file[0] >= '0' && file[0] <= '9') file.insert(0, "_");
  return "sqlite:///" + file + ".sqlite";
}

std::string DefaultAddress() {
  std::error_code error;
  return std::filesystem::is_directory(kContainerDirectory, error) ? "unix:/run/dbos/sidecar.sock"
                                                                   : "unix:./.dbos/sidecar.sock";
}

}  // namespace dbos::sidecar
