// GroupCandidates: the statements that may share a commit with others: those that could have when they ran alone. One
// that has failed the others goes alone for a while.
//
// Threads:  one at a time. Blocking: never.
// Limits:   kMax statements of kSqlMax bytes; where there are more, all are forgotten, and learned again.
#pragma once

#include <string>
#include <unordered_map>

#include "absl/time/time.h"

namespace dbos::sidecar {

class GroupCandidates {
 public:
  static constexpr std::size_t kMax = 1000;
  static constexpr std::size_t kSqlMax = 4096;
  static constexpr absl::Duration kPause = absl::Seconds(10);

  bool Has(const std::string& sql, absl::Time now) const {
    const auto found = alone_until_.find(sql);
    return found != alone_until_.end() && now >= found->second;
  }
  void Add(const std::string& sql) {
    if (sql.size() > kSqlMax || alone_until_.contains(sql)) return;
    if (alone_until_.size() >= kMax) alone_until_.clear();
    alone_until_.emplace(sql, absl::InfinitePast());
  }
  void Remove(const std::string& sql) { alone_until_.erase(sql); }
  void Pause(const std::string& sql, absl::Time now) {
    const auto found = alone_until_.find(sql);
    if (found != alone_until_.end()) found->second = now + kPause;
  }

 private:
  std::unordered_map<std::string, absl::Time> alone_until_;
};

}  // namespace dbos::sidecar
