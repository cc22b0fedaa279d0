// dbos-pg-proxy: PgProxy as a program, for scripts. Commands (see control.h) come on standard input, one a line; each
// gets one line back. It ends when standard input ends.
#include <iostream>

#include <CLI/CLI.hpp>

#include "absl/synchronization/mutex.h"

#include "sidecar/base/status.h"
#include "tests/testing/proxy/control.h"

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  dbos::testing::ProxyOptions options;
  CLI::App app("Forwards to a PostgreSQL server, counts round trips, breaks connections around COMMIT");
  app.add_option("--upstream", options.upstream, "the server: /dir/.s.PGSQL.5432 or 127.0.0.1:5432")->required();
  app.add_option("--listen", options.listen, "where to listen: a path like that, or 127.0.0.1:0")->required();
  CLI11_PARSE(app, argc, argv);
  const auto proxy = dbos::testing::PgProxy::Start(options);
  if (!proxy.ok()) {
    std::cerr << "dbos-pg-proxy: " << dbos::sidecar::Message(proxy.status()) << "\n";
    return 1;
  }
  std::cout << "ready " << (*proxy)->Url("postgres", "postgres") << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cout << RunCommand(**proxy, line) << std::endl;
  return 0;
}
