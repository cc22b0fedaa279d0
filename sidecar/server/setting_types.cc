#include "sidecar/server/setting_types.h"

#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "sidecar/db/database_url.h"

namespace dbos::sidecar {
namespace {

constexpr std::int64_t kSecondsMax = std::int64_t{24} * 3600;
constexpr std::int64_t kConnectionsMax = 1000;

std::function<std::string(const std::string&, Config&)> Assign(std::string Config::*member) {
  return [member](const std::string& value, Config& config) {
    config.*member = value;
    return std::string();
  };
}

}  // namespace

std::optional<std::int64_t> ParseNumber(const std::string& text, int base) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<bool> ParseSwitch(std::string text) {
  absl::AsciiStrToLower(&text);
  if (text == "on" || text == "true") return true;
  if (text == "off" || text == "false") return false;
  return std::nullopt;
}

SettingType TextSetting(std::string Config::*member) {
  return {Assign(member), [member](const Config& config) { return config.*member; }};
}

SettingType UrlSetting(std::string Config::*member) {
  return {Assign(member),
          [member](const Config& config) { return (config.*member).empty() ? "" : MaskPasswords(config.*member); }};
}

SettingType SecondsSetting(absl::Duration Config::*member, std::int64_t least) {
  return {[member, least](const std::string& value, Config& config) -> std::string {
            const std::optional<std::int64_t> seconds = ParseNumber(value);
            if (!seconds || *seconds < least || *seconds > kSecondsMax) {
              return absl::StrCat("must be whole seconds between ", least, " and ", kSecondsMax);
            }
            config.*member = absl::Seconds(*seconds);
            return "";
          },
          [member](const Config& config) { return absl::StrCat(absl::ToInt64Seconds(config.*member)); }};
}

SettingType BoolSetting(bool Config::*member) {
  return {[member](const std::string& value, Config& config) -> std::string {
            const std::optional<bool> on = ParseSwitch(value);
            if (!on) return "must be on or off";
            config.*member = *on;
            return "";
          },
          [member](const Config& config) { return config.*member ? "on" : "off"; }};
}

SettingType ConnectionsSetting(int PoolOptions::*member, std::int64_t least) {
  return {[member, least](const std::string& value, Config& config) -> std::string {
            const std::optional<std::int64_t> number = ParseNumber(value);
            if (!number || *number < least || *number > kConnectionsMax) {
              return absl::StrCat("must be a whole number between ", least, " and ", kConnectionsMax);
            }
            config.pool.*member = static_cast<int>(*number);
            return "";
          },
          [member](const Config& config) { return absl::StrCat(config.pool.*member); }};
}

SettingType ConnectArgSetting(const std::string& keyword) {
  return {[keyword](const std::string& value, Config& config) {
            config.connect_args[keyword] = value;
            return std::string();
          },
          [keyword](const Config& config) -> std::string {
            const auto found = config.connect_args.find(keyword);
            if (found == config.connect_args.end()) return "";
            return IsSecretKeyword(keyword) ? "***" : found->second;
          }};
}

}  // namespace dbos::sidecar
