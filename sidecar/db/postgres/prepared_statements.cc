#include "sidecar/db/postgres/prepared_statements.h"

#include "absl/strings/str_cat.h"

namespace dbos::sidecar {

PreparedStatements::Entry& PreparedStatements::Use(const std::string& key) {
  const auto found = found_.find(key);
  if (found != found_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    entries_.push_front({key, absl::StrCat("dbos_", next_++)});
    found_.emplace(key, entries_.begin());
  }
  return entries_.front();
}

std::string PreparedStatements::TakeExcess() {
  if (entries_.size() <= kPreparedMax) return "";
  const Entry last = entries_.back();
  Forget(last.key);
  return last.on_server ? last.name : "";
}

void PreparedStatements::Forget(const std::string& key) {
  const auto found = found_.find(key);
  if (found == found_.end()) return;
  entries_.erase(found->second);
  found_.erase(found);
}

void PreparedStatements::Clear() {
  entries_.clear();
  found_.clear();
}

}  // namespace dbos::sidecar
