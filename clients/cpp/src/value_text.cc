// Texts of the types that JSON does not have: times, bytes, wide integers.
#include <array>
#include <charconv>
#include <cstdio>
#include <string>

#include <dbos/detail/json_types.h>
#include <dbos/errors.h>

namespace dbos::detail {
namespace {

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

template <class Integer>
Integer ParseInteger(const std::string& text) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw InvalidArgument("not an integer of this type: \"" + text.substr(0, 40) + "\"");
  }
  return value;
}

// Minutes east of UTC of "Z" or "+hh:mm".
int ParseOffset(const std::string& text, std::size_t at) {
  const std::string zone = text.substr(at);
  if (zone == "Z" || zone == "z") return 0;
  const auto digit = [&](std::size_t n) { return zone[n] >= '0' && zone[n] <= '9' ? zone[n] - '0' : 100; };
  const bool shaped = zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':';
  const int hours = shaped ? 10 * digit(1) + digit(2) : 100;
  const int minutes = shaped ? 10 * digit(4) + digit(5) : 100;
  if (hours > 23 || minutes > 59) {
    throw InvalidArgument("a time needs \"Z\" or an offset such as \"+01:00\" at its end: \"" + text.substr(0, 40) +
                          "\"");
  }
  return (zone[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

// Up to nanoseconds are read, the rest is cut.
std::int64_t ParseFraction(const std::string& text, std::size_t& at) {
  std::int64_t nanos = 0;
  std::int64_t scale = 100'000'000;
  if (at >= text.size() || text[at] != '.') return 0;
  for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
    nanos += (text[at] - '0') * scale;
  return nanos;
}

}  // namespace

std::string FormatDate(std::chrono::year_month_day date) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text.data();
}

bool HasText(Micros time) {
  using std::chrono::year;
  constexpr std::chrono::sys_days kFirst = year(1) / 1 / 1;
  constexpr std::chrono::sys_days kEnd = year(10000) / 1 / 1;
  return time >= kFirst && time < kEnd;
}

std::string FormatMicros(Micros time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::hh_mm_ss<std::chrono::microseconds> clock(time - day);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "T%02d:%02d:%02d.%06dZ", static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return FormatDate(std::chrono::year_month_day(day)) + text.data();
}

std::string FormatTime(Micros time) {
  if (!HasText(time)) throw InvalidArgument("a time outside of the years 1 to 9999 cannot be written");
  std::string text = FormatMicros(time);
  return text.erase(text.size() - 4, 3);  // 123Z of 123456Z
}

std::chrono::year_month_day ParseDate(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int used = 0;
  const int fields = std::sscanf(text.c_str(), "%4d-%2u-%2u%n", &year, &month, &day, &used);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (fields != 3 || static_cast<std::size_t>(used) != text.size() || !date.ok()) {
    throw InvalidArgument("not a date YYYY-MM-DD: \"" + text.substr(0, 40) + "\"");
  }
  return date;
}

ParsedTime ParseTime(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int used = 0;
  const int fields = std::sscanf(text.c_str(), "%4d-%2u-%2u%*1[Tt ]%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
                                 &second, &used);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  const bool shaped = fields == 6 && text.find_first_not_of("0123456789") == 4;  // "%4d" takes a sign too
  if (!shaped || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    throw InvalidArgument("not an RFC 3339 time: \"" + text.substr(0, 40) + "\"");
  }
  auto at = static_cast<std::size_t>(used);
  const std::chrono::nanoseconds fraction(ParseFraction(text, at));
  const std::chrono::minutes offset(ParseOffset(text, at));
  const auto time = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
                    std::chrono::seconds(second) - offset;
  if (!HasText(time)) throw InvalidArgument("not a time of the years 1 to 9999: \"" + text.substr(0, 40) + "\"");
  return {time, fraction};
}

void ThrowTimeTooFar(const std::string& text) {
  throw InvalidArgument("a time that the C++ type cannot hold: \"" + text.substr(0, 40) +
                        "\"; std::chrono::sys_time<std::chrono::microseconds> holds the years 1 to 9999, "
                        "system_clock::time_point 1678 to 2261");
}

void ThrowBytesAsNumbers() {
  throw InvalidArgument("bytes and text are no array of numbers: bytes are std::vector<std::byte>");
}

std::string EncodeBase64(const std::vector<std::byte>& bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = (group << 8U) | (k < left ? std::to_integer<unsigned>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= left ? kBase64[(group >> (18U - 6U * k)) & 0x3FU] : '=';
  }
  return text;
}

std::vector<std::byte> DecodeBase64(const std::string& text) {
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 4 * 3);
  unsigned bits = 0;
  unsigned count = 0;
  for (const char c : text.substr(0, text.find_last_not_of('=') + 1)) {
    const int value = Base64Value(c);
    if (value < 0) throw InvalidArgument("not base64: \"" + text.substr(0, 40) + "\"");
    bits = (bits << 6U) | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::byte>((bits >> count) & 0xFFU));
  }
  return bytes;
}

std::int64_t ParseSigned(const std::string& text) {
  return ParseInteger<std::int64_t>(text);
}
std::uint64_t ParseUnsigned(const std::string& text) {
  return ParseInteger<std::uint64_t>(text);
}

}  // namespace dbos::detail
