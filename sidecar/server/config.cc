#include "sidecar/server/config.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "sidecar/base/nearest.h"
#include "sidecar/base/status.h"
#include "sidecar/server/config_file.h"
#include "sidecar/server/foreign_keys.h"
#include "sidecar/server/setting.h"
#include "sidecar/server/small_file.h"

namespace dbos::sidecar {
namespace {

constexpr char kDefaultFile[] = "dbos-config.yaml";
constexpr char kFileKey[] = "_file";
constexpr char kFileVariable[] = "_FILE";
constexpr char kContainerDirectory[] = "/run/dbos";
constexpr std::size_t kNameMin = 3;
constexpr std::size_t kNameMax = 30;

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// A value and where it was given.
struct Given {
  std::string text;
  std::string source;
};
using GivenValues = std::map<std::string, Given>;  // by key; what is given later replaces what was there

const Setting* Find(const std::string& key) {
  for (const Setting& setting : Settings()) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

std::string UnknownKey(const std::string& path, const std::string& key) {
  const std::string instead = InsteadOfForeignKey(key);
  if (!instead.empty()) {
    return absl::StrCat(path, ": \"", key, "\" is a key of the DBOS SDKs that a sidecar does not have: ", instead);
  }
  std::vector<std::string> keys;
  for (const Setting& setting : Settings()) keys.push_back(setting.key);
  return absl::StrCat(path, ": unknown key \"", key, "\"", DidYouMean(key, keys),
                      " (dbos-sidecar config check lists the keys)");
}

absl::Status GiveFromFile(const std::string& source, const std::string& path, GivenValues::mapped_type& into) {
  absl::StatusOr<std::string> secret = ReadSecretFile(path);
  if (!secret.ok()) return absl::InvalidArgumentError(source + ": " + Message(secret.status()));
  into = {*std::move(secret), source + " (" + path + ")"};
  return absl::OkStatus();
}

absl::Status Twice(const std::string& one, const std::string& other) {
  return absl::InvalidArgumentError(one + " and " + other + " are both given: keep one of them");
}

// Empty values are no values.
absl::Status CollectFile(const std::string& path, const Environment& environment, GivenValues& given) {
  ASSIGN_OR_RETURN(const auto values, ReadConfigFile(path, environment));
  std::vector<std::string> unknown;  // all of them, since a file of another program has many
  for (const auto& [key, value] : values) {
    const std::string source = path + ": " + key;
    if (Find(key) != nullptr) {
      if (!value.empty()) given[key] = {value, source};
      continue;
    }
    const std::string base = absl::EndsWith(key, kFileKey) ? key.substr(0, key.size() - sizeof(kFileKey) + 1) : "";
    const Setting* setting = Find(base);
    if (setting == nullptr || !setting->has_file) {
      unknown.push_back(UnknownKey(path, key));
      continue;
    }
    if (values.contains(base)) return Twice(path + ": " + base, key);
    if (!value.empty()) RETURN_IF_ERROR(GiveFromFile(source, value, given[base]));
  }
  return unknown.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrJoin(unknown, "\n"));
}

absl::Status CollectEnvironment(const Environment& environment, GivenValues& given) {
  const auto value_of = [&](const std::string& name) {
    const char* value = name.empty() ? nullptr : environment(name.c_str());
    return std::string(value == nullptr ? "" : value);
  };
  for (const Setting& setting : Settings()) {
    const std::string value = value_of(setting.env);
    const std::string file = setting.has_file ? value_of(setting.env + kFileVariable) : "";
    if (!value.empty() && !file.empty()) return Twice(setting.env, setting.env + kFileVariable);
    if (!value.empty()) given[setting.key] = {value, setting.env};
    if (!file.empty()) RETURN_IF_ERROR(GiveFromFile(setting.env + kFileVariable, file, given[setting.key]));
  }
  return absl::OkStatus();
}

absl::Status Apply(const Setting& setting, const Given& given, Config& config) {
  const std::string fault = setting.apply(given.text, config);
  if (fault.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(given.source + " " + fault + ", not \"" + given.text + "\"");
}

}  // namespace

absl::StatusOr<Config> LoadConfig(const ConfigSources& sources, Origins* origins) {
  GivenValues given;
  std::error_code error;
  if (!sources.file.empty() || std::filesystem::exists(kDefaultFile, error)) {
    const std::string path = sources.file.empty() ? kDefaultFile : sources.file;
    RETURN_IF_ERROR(CollectFile(path, sources.environment, given));
  }
  RETURN_IF_ERROR(CollectEnvironment(sources.environment, given));
  for (const Setting& setting : Settings()) {
    const auto flag = sources.flags.find(setting.flag);
    if (flag != sources.flags.end()) given[setting.key] = {flag->second, "--" + setting.flag};
  }
  Config config;
  for (const auto& [key, value] : given) {
    RETURN_IF_ERROR(Apply(*Find(key), value, config));
    if (origins != nullptr) (*origins)[key] = value.source;
  }
  return config;
}

absl::Status CompleteConfig(Config& config, Origins* origins) {
  RETURN_IF_ERROR(CheckName(config.name));
  RETURN_IF_ERROR(DeriveDatabases(config, origins));
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
