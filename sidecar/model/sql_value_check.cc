#include "sidecar/model/sql_value_check.h"

#include <cstdint>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"

#include "sidecar/base/utf8.h"

namespace dbos::sidecar {
namespace {

// Takes a text from its beginning, piece by piece.
class Scan {
 public:
  explicit Scan(const std::string& text) : text_(text) {}

  bool AtEnd() const { return at_ == text_.size(); }
  // As many digits as there are, up to `most`.
  std::size_t Digits(std::size_t most) {
    const std::size_t from = at_;
    while (at_ < text_.size() && at_ - from < most && absl::ascii_isdigit(static_cast<unsigned char>(text_[at_]))) {
      ++at_;
    }
    return at_ - from;
  }
  bool AnyOf(const char* characters) {
    if (AtEnd() || !absl::StrContains(characters, absl::string_view(&text_[at_], 1))) return false;
    ++at_;
    return true;
  }

 private:
  const std::string& text_;
  std::size_t at_ = 0;
};

bool IsNumeric(const std::string& text) {
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") return true;
  Scan scan(text);
  scan.AnyOf("+-");
  std::size_t digits = scan.Digits(text.size());
  if (scan.AnyOf(".")) digits += scan.Digits(text.size());
  if (digits == 0) return false;
  if (scan.AnyOf("eE")) {
    scan.AnyOf("+-");
    if (scan.Digits(6) == 0) return false;
  }
  return scan.AtEnd();
}

// YYYY-MM-DD; years may be longer.
bool TakeDate(Scan& scan, const std::string& text) {
  const std::size_t year = scan.Digits(6);
  if (year < 4 || !scan.AnyOf("-") || scan.Digits(2) != 2 || !scan.AnyOf("-") || scan.Digits(2) != 2) return false;
  std::int64_t numbers[3] = {0, 0, 0};
  const std::size_t starts[3] = {0, year + 1, year + 4};
  for (int n = 0; n < 3; ++n) {
    if (!absl::SimpleAtoi(text.substr(starts[n], n == 0 ? year : 2), &numbers[n])) return false;
  }
  const absl::CivilDay day(numbers[0], numbers[1], numbers[2]);  // normalised, so that a wrong one differs
  return numbers[0] > 0 && day.month() == numbers[1] && day.day() == numbers[2];
}

bool IsDate(const std::string& text) {
  Scan scan(text);
  return TakeDate(scan, text) && scan.AtEnd();
}

// A zone is not required: the session's is then meant.
bool IsTimestamp(const std::string& text) {
  Scan scan(text);
  if (!TakeDate(scan, text)) return false;
  if (scan.AtEnd()) return true;
  if (!scan.AnyOf("Tt ") || scan.Digits(2) != 2 || !scan.AnyOf(":") || scan.Digits(2) != 2) return false;
  if (scan.AnyOf(":") && scan.Digits(2) != 2) return false;
  if (scan.AnyOf(".") && scan.Digits(9) == 0) return false;
  if (scan.AtEnd() || scan.AnyOf("Zz")) return scan.AtEnd();
  if (!scan.AnyOf("+-") || scan.Digits(2) != 2) return false;
  if (scan.AnyOf(":") && scan.Digits(2) != 2) return false;
  scan.Digits(2);
  return scan.AtEnd();
}

bool IsUuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (std::size_t n = 0; n < text.size(); ++n) {
    const bool dash = n == 8 || n == 13 || n == 18 || n == 23;
    if (dash ? text[n] != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(text[n]))) return false;
  }
  return true;
}

// Abseil would let a plus and white space pass.
bool IsInteger(const std::string& text) {
  std::int64_t number = 0;
  return absl::SimpleAtoi(text, &number) && text.find_first_not_of("-0123456789") == std::string::npos;
}

bool IsNumber(const std::string& text) {
  double number = 0;
  return absl::SimpleAtod(text, &number) && text.find_first_of(" \t\r\n\f\v") == std::string::npos;
}

std::string Unless(bool good, absl::string_view what) {
  return good ? "" : std::string(what);
}

std::string TextFault(const std::string& text) {
  if (IsStorableText(text)) return "";
  return absl::StrCat("is not UTF-8 without NUL, from its byte ", StorablePrefix(text) + 1,
                      " on: send such bytes as bytea");
}

std::string Fault(const SqlValue& value, int depth);

std::string ArrayFault(const SqlValue& value, int depth) {
  if (depth > kSqlArrayDepthMax) return absl::StrCat("is an array of more than ", kSqlArrayDepthMax, " dimensions");
  for (std::size_t n = 0; n < value.items.size(); ++n) {
    const std::string fault = Fault(value.items[n], depth + 1);
    if (!fault.empty()) return absl::StrCat("has the item ", n + 1, " that ", fault);
  }
  return "";
}

std::string Fault(const SqlValue& value, int depth) {
  switch (value.type) {
    case SqlValue::Type::kNull:
    case SqlValue::Type::kBytea:
      return "";
    case SqlValue::Type::kBoolean:
      return Unless(value.text == "true" || value.text == "false", "is neither true nor false");
    case SqlValue::Type::kInteger:
      return Unless(IsInteger(value.text), "is no integer of 64 bits");
    case SqlValue::Type::kNumber:
      return Unless(IsNumber(value.text), "is no number");
    case SqlValue::Type::kText:
      return TextFault(value.text);
    case SqlValue::Type::kNumeric:
      return Unless(IsNumeric(value.text), "is no decimal number, such as -12.50 or 1e6");
    case SqlValue::Type::kTimestamptz:
      return Unless(IsTimestamp(value.text), "is no time in ISO 8601, such as 2026-01-31T23:59:59.5Z");
    case SqlValue::Type::kDate:
      return Unless(IsDate(value.text), "is no date of the form YYYY-MM-DD");
    case SqlValue::Type::kUuid:
      return Unless(IsUuid(value.text), "is no UUID of the form 01234567-89ab-cdef-0123-456789abcdef");
    case SqlValue::Type::kJson: {
      const std::string fault = TextFault(value.text);
      return fault.empty() ? Unless(nlohmann::json::accept(value.text), "is not JSON") : fault;
    }
    case SqlValue::Type::kArray:
      return ArrayFault(value, depth + 1);
  }
  return "has an unknown type";
}

}  // namespace

std::string SqlValueFault(const SqlValue& value) {
  return Fault(value, 0);
}

}  // namespace dbos::sidecar
