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
  if (entry.on_server) forgotten_.push_back(std::move(entry.name));
  entry.name = absl::StrCat("dbos_", next_++);
  entry.on_server = false;
  entry.uses = 0;
}

std::string PreparedStatements::TakeExcess() {
  if (entries_.size() > kPreparedMax) Forget(std::string(entries_.back().key));
  if (forgotten_.empty()) return "";
  std::string name = std::move(forgotten_.back());
  forgotten_.pop_back();
  return name;
}

void PreparedStatements::Forget(const std::string& key) {
  const auto found = found_.find(key);
  if (found == found_.end()) return;
  if (found->second->on_server) forgotten_.push_back(found->second->name);
  entries_.erase(found->second);
  found_.erase(found);
}

void PreparedStatements::Clear() {
  entries_.clear();
  found_.clear();
  forgotten_.clear();
}

}  // namespace dbos::sidecar
