#include "sidecar/model/session_marks.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"

namespace dbos::sidecar {
namespace {

using Kind = SqlToken::Kind;

constexpr char kSetConfig[] = "SET_CONFIG";
constexpr absl::string_view kFunctions[] = {"PG_ADVISORY_LOCK", "PG_ADVISORY_LOCK_SHARED", "PG_TRY_ADVISORY_LOCK",
                                            "PG_TRY_ADVISORY_LOCK_SHARED", "DBLINK_CONNECT"};
constexpr absl::string_view kBeforeTemporary[] = {"CREATE", "REPLACE", "GLOBAL", "LOCAL", "INTO"};
constexpr absl::string_view kSchemaOfTheSession = "PG_TEMP";

bool Is(absl::string_view text, absl::string_view word) {
  return absl::EqualsIgnoreCase(text, word);
}

template <typename Words>
bool IsOneOf(absl::string_view text, const Words& words) {
  return absl::c_any_of(words, [text](absl::string_view word) { return Is(text, word); });
}

// TEMP and HOLD are fine names for columns.
bool IsLasting(absl::string_view before, absl::string_view word) {
  if (Is(word, "HOLD")) return Is(before, "WITH");
  if (Is(word, "TEMP") || Is(word, "TEMPORARY")) return IsOneOf(before, kBeforeTemporary);
  return Is(word, kSchemaOfTheSession) || Is(word, "PG_SETTINGS");
}

}  // namespace

void SessionMarks::Take(const SqlToken& token) {
  const absl::string_view text(token.text.data(), token.text.size());
  if (depth_ > 0) TakeInCall(text);
  if (text == "(" && Is(before_, kSetConfig)) {
    any_ = any_ || depth_ > 0;  // one within another
    depth_ = 1;
    arguments_ = 0;
    third_.clear();
  }
  any_ = any_ || (text == "(" && IsOneOf(before_, kFunctions));
  const absl::string_view before = std::exchange(before_, {});
  if (token.kind == Kind::kWord) {
    before_ = text;
    any_ = any_ || IsLasting(before, text) || (is_first_ && Is(text, "DO"));
  } else if (token.kind == Kind::kQuoted && text.size() > 2 && text.front() == '"') {
    before_ = text.substr(1, text.size() - 2);
    any_ = any_ || Is(before_, kSchemaOfTheSession);
  }
  is_first_ = false;
}

void SessionMarks::TakeInCall(absl::string_view text) {
  if (text == "(") ++depth_;
  if (text == ")" && --depth_ == 0) {
    any_ = any_ || arguments_ != 2 || !Is(third_, "TRUE");
    return;
  }
  if (text == "," && depth_ == 1) {
    ++arguments_;
  } else if (arguments_ == 2) {
    third_.append(text.data(), text.size());
  }
}

}  // namespace dbos::sidecar
