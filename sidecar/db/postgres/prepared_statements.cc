#include "sidecar/db/postgres/prepared_statements.h"

#include <utility>

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

void PreparedStatements::Renew(Entry& entry) {
  if (entry.on_server) excess_.push_back(std::move(entry.name));
  entry.name = absl::StrCat("dbos_", next_++);
  entry.on_server = false;
  entry.uses = 0;
}

std::string PreparedStatements::TakeExcess() {
  if (!excess_.empty()) {
    std::string name = std::move(excess_.back());
    excess_.pop_back();
    return name;
  }
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
  excess_.clear();
}

}  // namespace dbos::sidecar
