// Wakeups: the sidecars of one application tell each other of work on the queue, so that none has to wait for its next
// look. A wake-up may be lost; the look once a second is the net under it.
//
//   channel dbos_sidecar_wakeup, payload "APPLICATION EXECUTOR SCHEMA": of the sidecar that tells
//
// Threads:  Tell and arrive from any; the others from the owner's.
// Blocking: StopHearing and the destructor, until a call to the database that is under way has ended.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "sidecar/db/notifications.h"
#include "sidecar/db/notifier.h"
#include "sidecar/db/open.h"
#include "sidecar/server/config.h"

namespace dbos::sidecar {

// Who tells. Neither application nor executor holds a space.
struct WakeupSender {
  std::string application;
  std::string executor;
  std::string schema;
};
std::string WakeupPayload(const WakeupSender& sender);
// From another sidecar of the same application in the same schema.
bool IsWakeupFor(const WakeupSender& self, const std::string& payload);

class Wakeups {
 public:
  // Null where the database has no notifications, or the configuration wants none. Connects to nothing yet.
  static absl::StatusOr<std::unique_ptr<Wakeups>> Open(const Config& config, const std::string& executor_id);
  Wakeups(const Wakeups&) = delete;
  Wakeups& operator=(const Wakeups&) = delete;
  ~Wakeups() = default;

  // The others of this application. What is told within a few milliseconds is told once.
  void Tell();

  // From now on until StopHearing. `work_arrived` is called on a thread of ours, and must not block: when another has
  // told, and when what was told may have been missed.
  void Hear(std::function<void()> work_arrived);
  void StopHearing() { listener_.reset(); }
  // Whether what others tell is heard.
  bool arrive() const { return arrive_.load(); }

 private:
  Wakeups(WakeupSender self, const Database& main, Database direct);

  void Changed(Listening now, const absl::Status& why);

  const WakeupSender self_;
  const std::function<std::unique_ptr<Connection>(ConnectionRole)> connect_;  // as the others send
  const Database direct_;
  std::atomic<bool> arrive_{false};
  bool was_lost_ = false;  // the listener's thread
  bool was_deaf_ = false;
  std::function<void()> work_arrived_;
  Notifier notifier_;
  std::unique_ptr<NotificationListener> listener_;  // last: it uses the others
};

}  // namespace dbos::sidecar
