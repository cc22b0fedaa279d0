// Notifier: sends notifications by statements of their own, never in a transaction that writes: a commit that notifies
// takes a lock of the whole database.
//
// What comes within `coalesce` is sent together, equal ones once. What cannot be sent is dropped, with one warning
// until it goes again: those who wait look for themselves.
//
// Threads:  Notify from any thread; it never blocks. One thread of its own sends.
// Limits:   at most 1,000 wait; further ones are dropped.
// Lifetime: the destructor sends what is left, and waits for that.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "sidecar/base/mutex.h"
#include "sidecar/db/connection.h"
#include "sidecar/db/notifications.h"

namespace dbos::sidecar {

// One now. Unimplemented: the server has no notifications. Blocking: a round trip, besides opening the connection.
absl::Status SendNotification(Connection& connection, const Notification& notification);

class Notifier {
 public:
  explicit Notifier(std::unique_ptr<Connection> connection, absl::Duration coalesce = absl::Milliseconds(10));
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;
  ~Notifier();

  void Notify(const Notification& notification);

 private:
  using Pending = std::set<std::pair<std::string, std::string>>;  // channel, payload

  void ThreadMain();
  Pending Take();
  void Send(const Pending& pending);

  const std::unique_ptr<Connection> connection_;
  const absl::Duration coalesce_;
  bool failing_ = false;  // the thread's own
  Mutex mu_;
  CondVar changed_;
  CondVar ending_;
  Pending pending_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace dbos::sidecar
