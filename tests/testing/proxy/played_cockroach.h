// PlayedCockroach: the server of DBOS_TEST_POSTGRES_URL, passed off as CockroachDB by a proxy before it.
//
// Lifetime: the destructor closes every connection.
// Errors:   CHECKs that there is such a server.
#pragma once

#include <memory>
#include <string>

#include "tests/testing/proxy/pg_proxy.h"

namespace dbos::testing {

class PlayedCockroach {
 public:
  explicit PlayedCockroach(const CockroachOptions& options = {});
  ~PlayedCockroach();
  PlayedCockroach(const PlayedCockroach&) = delete;
  PlayedCockroach& operator=(const PlayedCockroach&) = delete;

  std::string Url(const std::string& database) const;
  const CockroachProfile& profile() const { return *proxy_->cockroach(); }

 private:
  std::string directory_;
  std::string user_;
  std::unique_ptr<PgProxy> proxy_;
};

}  // namespace dbos::testing
