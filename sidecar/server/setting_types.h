// The kinds of values that settings have: how one is read, what is wrong with it, how it is shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

#include "sidecar/server/setting.h"

namespace dbos::sidecar {

struct SettingType {
  decltype(Setting::apply) apply;
  decltype(Setting::show) show;
};

// A whole number that is not negative, or nothing.
std::optional<std::int64_t> ParseNumber(const std::string& text, int base = 10);
// on, off, true or false, in any case.
std::optional<bool> ParseSwitch(std::string text);

SettingType TextSetting(std::string Config::*member);
// A URL whose passwords are not shown.
SettingType UrlSetting(std::string Config::*member);
SettingType BoolSetting(bool Config::*member);
// Whole seconds from `least` to a day.
SettingType SecondsSetting(absl::Duration Config::*member, std::int64_t least = 0);
// A number of connections, at most 1,000.
SettingType ConnectionsSetting(int PoolOptions::*member, std::int64_t least);
// One of connect_args.
SettingType ConnectArgSetting(const std::string& keyword);

// An enumeration of kOn and kOff.
template <typename Switch>
SettingType SwitchSetting(Switch Config::*member) {
  return {[member](const std::string& value, Config& config) -> std::string {
            const std::optional<bool> on = ParseSwitch(value);
            if (!on) return "must be on or off";
            config.*member = *on ? Switch::kOn : Switch::kOff;
            return "";
          },
          [member](const Config& config) { return config.*member == Switch::kOn ? "on" : "off"; }};
}

}  // namespace dbos::sidecar
