#include "tests/testing/proxy/played_cockroach.h"

#include <cstdlib>
#include <filesystem>

#include <libpq-fe.h>
#include <stdlib.h>

#include "absl/strings/str_cat.h"

#include "sidecar/base/check.h"

namespace dbos::testing {

PlayedCockroach::PlayedCockroach(const CockroachOptions& options) {
  const char* url = std::getenv("DBOS_TEST_POSTGRES_URL");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  DBOS_CHECK(url != nullptr);                               // run the tests with tests/run, which starts a server
  const std::unique_ptr<PGconn, decltype(&PQfinish)> server(PQconnectdb(url), &PQfinish);
  DBOS_CHECK(PQstatus(server.get()) == CONNECTION_OK);
  user_ = PQuser(server.get());
  const std::string host = PQhost(server.get());
  const std::string port = PQport(server.get());
  std::string path = (std::filesystem::temp_directory_path() / "pg-proxy-XXXXXX").string();
  DBOS_CHECK(mkdtemp(path.data()) != nullptr);
  directory_ = path;
  auto proxy = PgProxy::Start({.upstream = host.starts_with("/") ? absl::StrCat(host, "/.s.PGSQL.", port)
                                                                 : absl::StrCat(PQhostaddr(server.get()), ":", port),
                               .listen = absl::StrCat(directory_, "/.s.PGSQL.5432"),
                               .cockroach = options});
  DBOS_CHECK(proxy.ok());
  proxy_ = *std::move(proxy);
}

PlayedCockroach::~PlayedCockroach() {
  proxy_.reset();
  std::filesystem::remove_all(directory_);
}

std::string PlayedCockroach::Url(const std::string& database) const {
  return proxy_->Url(user_, database);
}

}  // namespace dbos::testing
