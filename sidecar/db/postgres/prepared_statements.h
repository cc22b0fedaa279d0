// PreparedStatements: what a session has prepared, the least recently used first to go.
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

class PreparedStatements {
 public:
  struct Entry {
    std::string key;
    std::string name;
    bool on_server = false;
  };

  // The one with this key, made if there is none.
  Entry& Use(const std::string& key);
  // The name of one that the server is to forget, because there are too many or it is forgotten here; empty: none.
  std::string TakeExcess();
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
