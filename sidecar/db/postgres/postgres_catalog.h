// PostgresCatalog: what the sessions of one database have learned of it and share.
//
// Threads: any. Blocking: never for long. Limits: kShapesMax statements, kTypesMax types; the oldest go.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/base/thread_annotations.h"

#include "sidecar/base/mutex.h"
#include "sidecar/model/transaction.h"

namespace dbos::sidecar {

inline constexpr std::size_t kShapesMax = 1000;
inline constexpr std::size_t kTypesMax = 10'000;

// The columns that a statement returns.
struct PostgresShape {
  std::vector<SqlColumn> columns;
  std::vector<unsigned int> types;
  bool joins = true;  // false: it was tried in vain to join it with a record
};

class PostgresCatalog {
 public:
  // Empty: nobody knows yet.
  std::string TypeName(unsigned int oid);
  void SetTypeName(unsigned int oid, const std::string& name);

  // `key`: the text and the types of the parameters.
  std::shared_ptr<const PostgresShape> Shape(const std::string& key);
  void SetShape(const std::string& key, PostgresShape shape);
  void ForgetShape(const std::string& key);

 private:
  using Shapes = std::list<std::pair<std::string, std::shared_ptr<const PostgresShape>>>;

  Mutex mu_;
  std::unordered_map<unsigned int, std::string> types_ ABSL_GUARDED_BY(mu_);
  Shapes shapes_ ABSL_GUARDED_BY(mu_);  // used last comes first
  std::unordered_map<std::string, Shapes::iterator> found_ ABSL_GUARDED_BY(mu_);
};

}  // namespace dbos::sidecar
