// PreparedStatements: what a session has prepared, the least recently used first to go.
//
// After some uses one is prepared anew: PostgreSQL keeps its plan, which was made for the tables as they were, and a
// table that was empty then may have millions of rows by now.
//
// Threads: one at a time. Blocking: never. Limits: kPreparedMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

namespace dbos::sidecar {

inline constexpr std::size_t kPreparedMax = 256;
inline constexpr int kPreparedUsesMax = 500;

class PreparedStatements {
 public:
  struct Entry {
    std::string key;
    std::string name;
    bool on_server = false;
    int uses = 0;
  };

  // The one with this key, made if there is none.
  Entry& Use(const std::string& key);
  // To be prepared anew, under another name.
  void Renew(Entry& entry);
  // The name of one that the server is to forget, because there are too many or it is forgotten here; empty: none.
  std::string TakeExcess();
  // The server was told to forget it, and did not.
  void KeepForgotten(const std::string& name) { forgotten_.push_back(name); }
  void Forget(const std::string& key);
  // The session is gone, and its statements with it.
  void Clear();

 private:
  std::list<Entry> entries_;  // used last comes first
  std::unordered_map<std::string, std::list<Entry>::iterator> found_;
  std::vector<std::string> forgotten_;  // names that the server still knows
  std::uint64_t next_ = 0;
};

}  // namespace dbos::sidecar
