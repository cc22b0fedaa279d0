#include "sql_text.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <system_error>

#include <dbos/detail/row_values.h>

namespace dbos::runtime {
namespace {

// Reads a text from its start.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  char Next() { return at_end() ? '\0' : text_[at_++]; }
  bool Take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // Exactly so many digits; -1 when there are fewer.
  int Digits(int count) {
    int value = 0;
    for (; count > 0; --count, ++at_) {
      if (peek() < '0' || peek() > '9') return -1;
      value = 10 * value + (text_[at_] - '0');
    }
    return value;
  }
  std::string_view DigitsAndPoint() {
    const std::size_t start = at_;
    if (Take('.')) {
      while (peek() >= '0' && peek() <= '9') ++at_;
    }
    return text_.substr(start, at_ - start);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// Seconds east of UTC.
std::optional<int> ReadOffset(Reader& in) {
  if (in.at_end() || in.Take('Z') || in.Take('z')) return 0;
  const char sign = in.Next();
  if (sign != '+' && sign != '-') return std::nullopt;
  int seconds = in.Digits(2) * 3600;
  for (int unit = 60; seconds >= 0 && !in.at_end() && unit > 0; unit /= 60) {
    in.Take(':');
    const int part = in.Digits(2);
    if (part < 0 || part > 59) return std::nullopt;
    seconds += part * unit;
  }
  if (seconds < 0) return std::nullopt;
  return sign == '-' ? -seconds : seconds;
}

class ArrayReader {
 public:
  ArrayReader(std::string_view text, const std::string& element_type) : in_(text), element_type_(element_type) {}

  nlohmann::json Read() {
    if (in_.peek() == '[') {  // bounds, as [0:1]=
      while (!in_.at_end() && in_.peek() != '{') in_.Next();
    }
    nlohmann::json array;
    if (!ReadList(array) || !in_.at_end()) return NoJson();
    return array;
  }

 private:
  bool ReadList(nlohmann::json& array) {
    array = nlohmann::json::array();
    if (!in_.Take('{')) return false;
    if (in_.Take('}')) return true;
    do {
      nlohmann::json& item = array.emplace_back();
      if (in_.peek() == '{' ? !ReadList(item) : !ReadItem(item)) return false;
    } while (in_.Take(','));
    return in_.Take('}');
  }
  bool ReadItem(nlohmann::json& item) {
    std::string text;
    const bool quoted = in_.Take('"');
    while (!in_.at_end() && (quoted ? in_.peek() != '"' : in_.peek() != ',' && in_.peek() != '}')) {
      in_.Take('\\');
      text += in_.Next();
    }
    if (quoted && !in_.Take('"')) return false;
    if (!quoted && text.empty()) return false;
    const bool null = !quoted && text == "NULL";
    item = detail::CellToJson(element_type_, null ? std::nullopt : std::make_optional(std::move(text)));
    return true;
  }

  Reader in_;
  const std::string& element_type_;
};

}  // namespace

std::optional<std::string> ToRfc3339(std::string_view text) {
  Reader in(text);
  const int year = in.Digits(4);
  const bool dashes = in.Take('-');
  const int month = in.Digits(2);
  const bool shaped = dashes && in.Take('-');
  const int day = in.Digits(2);
  if (!shaped || year < 1 || month < 0 || day < 0 || !(in.Take(' ') || in.Take('T') || in.Take('t'))) {
    return std::nullopt;
  }
  const int hour = in.Digits(2);
  const bool colon = in.Take(':');
  const int minute = in.Digits(2);
  const int second = in.Take(':') ? in.Digits(2) : 0;
  const std::string fraction(in.DigitsAndPoint());
  const std::optional<int> offset = ReadOffset(in);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!colon || !offset || !in.at_end() || !date.ok() || hour < 0 || hour > 24 || minute < 0 || minute > 59 ||
      second < 0 || second > 60 || fraction.size() == 1) {
    return std::nullopt;
  }
  const std::chrono::sys_seconds time = std::chrono::sys_days(date) + std::chrono::hours(hour) +
                                        std::chrono::minutes(minute) + std::chrono::seconds(second - *offset);
  const auto day_of = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day utc(day_of);
  if (static_cast<int>(utc.year()) < 1 || static_cast<int>(utc.year()) > 9999) return std::nullopt;
  const std::chrono::hh_mm_ss<std::chrono::seconds> clock(time - day_of);
  std::array<char, 64> formatted{};
  std::snprintf(formatted.data(), formatted.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(utc.year()),
                static_cast<unsigned>(utc.month()), static_cast<unsigned>(utc.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return formatted.data() + fraction + "Z";
}

nlohmann::json ToInteger(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stopped == end) return number;
  std::uint64_t large = 0;
  const auto [large_stopped, large_error] = std::from_chars(text.data(), end, large);
  if (large_error == std::errc() && large_stopped == end) return large;
  return NoJson();
}

nlohmann::json ToArray(std::string_view text, const std::string& element_type) {
  return ArrayReader(text, element_type).Read();
}

}  // namespace dbos::runtime
