// PgProxy: a PostgreSQL server's stand-in that forwards everything, counts round trips, and breaks connections exactly
// before, during or after a COMMIT.
//
//   client <-> PgProxy <-> server          both sides a Unix socket or TCP; encryption is refused
//
// Threads:  any; the connections live on one thread of the proxy's own.
// Blocking: WaitForFaults, and the destructor (joins the thread).
// Lifetime: the destructor closes every connection.
// Errors:   Start says what cannot be listened at. A server that cannot be reached closes the client's connection.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "tests/testing/proxy/cockroach.h"
#include "tests/testing/proxy/link.h"
#include "tests/testing/proxy/sockets.h"
#include "tests/testing/proxy/switchboard.h"

namespace dbos::testing {

struct ProxyOptions {
  // Where the real server is: "/dir/.s.PGSQL.5432" or "127.0.0.1:5432".
  std::string upstream;
  // Where to listen: a path like the above (its directory exists), or "127.0.0.1:0" for any free port.
  std::string listen;
  // To be taken for CockroachDB. No faults can be ordered then but drops.
  std::optional<CockroachOptions> cockroach = {};
};

enum class Accepting { kYes, kNo };

class PgProxy {
 public:
  static absl::StatusOr<std::unique_ptr<PgProxy>> Start(const ProxyOptions& options);
  ~PgProxy();
  PgProxy(const PgProxy&) = delete;
  PgProxy& operator=(const PgProxy&) = delete;

  // postgresql://user@/database through the proxy, over the socket directory or the port.
  std::string Url(const std::string& user, const std::string& database) const;

  void Arm(const FaultOrder& order) { switchboard_.Arm(order); }
  void Disarm() { switchboard_.Disarm(); }
  bool WaitForFaults(int64_t count, absl::Duration timeout) { return switchboard_.WaitForFaults(count, timeout); }
  void Stall();
  void Resume();
  // Closes every connection there is now, and returns when that is done.
  void DropAll();
  // kNo: new connections are closed as soon as they are accepted.
  void SetAccepting(Accepting accepting) { accepting_ = accepting == Accepting::kYes; }

  // Null unless it is taken for CockroachDB.
  const CockroachProfile* cockroach() const { return cockroach_ ? &*cockroach_ : nullptr; }

  Counts counts() const { return switchboard_.counts(); }
  void ResetCounts() { switchboard_.ResetCounts(); }

 private:
  PgProxy(const ProxyOptions& options, Descriptor listener, Descriptor wake);

  void Run();
  void AcceptAll();
  void Wake();

  const ProxyOptions options_;
  const Descriptor listener_;
  const Descriptor wake_;
  Switchboard switchboard_;
  std::optional<CockroachProfile> cockroach_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> accepting_{true};
  std::atomic<bool> drop_all_{false};
  std::list<Link> links_;  // the proxy's thread only
  std::thread thread_;     // last: it uses all the above
};

}  // namespace dbos::testing
