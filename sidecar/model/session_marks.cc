#include "sidecar/model/session_marks.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace dbos::sidecar {
namespace {

using Kind = SqlToken::Kind;

constexpr char kSetConfig[] = "SET_CONFIG";
constexpr absl::string_view kFunctions[] = {"PG_ADVISORY_LOCK", "PG_ADVISORY_LOCK_SHARED", "PG_TRY_ADVISORY_LOCK",
                                            "PG_TRY_ADVISORY_LOCK_SHARED", "DBLINK_CONNECT"};

std::string Capitals(std::string_view text) {
  return absl::AsciiStrToUpper(absl::string_view(text.data(), text.size()));
}

// TEMP and HOLD are fine names for columns.
bool IsLasting(const std::string& before, const std::string& word) {
  if (word == "HOLD") return before == "WITH";
  if (word == "PG_SETTINGS") return true;
  if (word != "TEMP" && word != "TEMPORARY") return word == "PG_TEMP";
  constexpr absl::string_view kBefore[] = {"CREATE", "REPLACE", "GLOBAL", "LOCAL", "INTO"};
  return absl::c_linear_search(kBefore, before);
}

}  // namespace

void SessionMarks::Take(const SqlToken& token) {
  if (depth_ > 0) TakeInCall(token);
  if (token.text == "(" && before_ == kSetConfig) {
    any_ = any_ || depth_ > 0;  // one within another
    depth_ = 1;
    arguments_ = 0;
    third_.clear();
  }
  any_ = any_ || (token.text == "(" && absl::c_linear_search(kFunctions, before_));
  const std::string before = std::exchange(before_, "");
  if (token.kind == Kind::kWord) {
    before_ = Capitals(token.text);
    any_ = any_ || IsLasting(before, before_) || (is_first_ && before_ == "DO");
  } else if (token.kind == Kind::kQuoted && token.text.size() > 2 && token.text.front() == '"') {
    before_ = Capitals(token.text.substr(1, token.text.size() - 2));
    any_ = any_ || before_ == "PG_TEMP";
  }
  is_first_ = false;
}

void SessionMarks::TakeInCall(const SqlToken& token) {
  if (token.text == "(") ++depth_;
  if (token.text == ")" && --depth_ == 0) {
    any_ = any_ || arguments_ != 2 || third_ != "TRUE";
    return;
  }
  if (token.text == "," && depth_ == 1) {
    ++arguments_;
  } else if (arguments_ == 2) {
    third_ += Capitals(token.text);
  }
}

}  // namespace dbos::sidecar
