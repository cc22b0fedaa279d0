// A PostgreSQL URL as libpq's keywords and values, checked as far as that is possible without a server.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "sidecar/db/options.h"

namespace dbos::sidecar {

// Keywords and values as libpq takes them, with our defaults for those that were left out.
struct PostgresParameters {
  std::vector<std::pair<std::string, std::string>> values;
  bool through_pooler = false;  // see ConnectionOptions
  bool notify = true;           // see ConnectionOptions

  std::string Get(const std::string& keyword) const;
  void Set(const std::string& keyword, const std::string& value);

  // As libpq's functions take them: two arrays that end with null. They point into this.
  struct Arrays {
    std::vector<const char*> keywords;
    std::vector<const char*> values;
  };
  Arrays ToArrays() const;
};

// InvalidArgument: not a URL as libpq has them, an unknown parameter or one with a wrong value, no database name. Reads
// files only where the URL names a service.
absl::StatusOr<PostgresParameters> ParsePostgresUrl(const std::string& url, const ConnectionOptions& options);

// All that libpq knows.
const std::vector<std::string>& PostgresKeywords();

}  // namespace dbos::sidecar
