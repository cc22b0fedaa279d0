// Notifications: short messages between the processes that are connected to one database. Any may be lost, so whoever
// waits for one looks for himself from time to time.
//
// A channel's name belongs to the whole database, whatever the schema: what is ours must follow from the payload, and
// what is not has to be passed over.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace dbos::sidecar {

// What every DBOS process may send to itself, to see whether notifications arrive; with more behind a space, ours.
inline constexpr char kListenSelfTest[] = "dbos_listen_selftest";

struct Notification {
  std::string channel;
  std::string payload;
};

enum class Listening {
  kYes,           // they arrive from now on; what was sent before may have been missed
  kDisconnected,  // the connection, or the other one for the self-test, failed: tried again after `reconnect_pause`
  kNotDelivered,  // what is sent does not arrive, so a pooler is in between: tried again after `deaf_pause`
  kUnsupported,   // the server has no notifications: the listener has ended
};

struct ListenOptions {
  std::vector<std::string> channels;  // the first one also carries the self-test
  // Both on the listener's thread; they must not block. `changed`: only when it is another than before, with the
  // reason unless it is kYes.
  std::function<void(const Notification& notification)> received;
  std::function<void(Listening now, const absl::Status& why)> changed;
  // Sends one by another connection, of the kind that others send by: over the listener's own it would arrive even
  // behind a pooler that loses all others. May block.
  std::function<absl::Status(const Notification& notification)> send;
  absl::Duration self_test_patience = absl::Seconds(3);
  absl::Duration reconnect_pause = absl::Seconds(1);
  absl::Duration deaf_pause = absl::Minutes(10);
};

// Listens from construction to destruction, on a thread and a connection of its own, which is opened again whenever it
// is lost. Idle it sends nothing; the destructor waits for at most one call to the database.
class NotificationListener {
 public:
  NotificationListener() = default;
  virtual ~NotificationListener() = default;
  NotificationListener(const NotificationListener&) = delete;
  NotificationListener& operator=(const NotificationListener&) = delete;
};

}  // namespace dbos::sidecar
