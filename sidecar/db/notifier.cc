#include "sidecar/db/notifier.h"

#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"

namespace dbos::sidecar {
namespace {

constexpr std::size_t kPendingMax = 1000;
constexpr absl::Duration kFailedPause = absl::Seconds(1);

constexpr Query kNotify = {
    .name = "notify",
    .args = "",
    .rows = "channel text, payload text",
    .sql = "SELECT pg_notify(i.channel, i.payload) FROM {rows}",
};

absl::Status SendAll(Connection& connection, const std::set<std::pair<std::string, std::string>>& all) {
  ASSIGN_OR_RETURN(const Dialect dialect, connection.ServerDialect());
  if (dialect.notify == Dialect::Notify::kNo) return absl::UnimplementedError("the server has no notifications");
  Statement statement(kNotify);
  for (const auto& [channel, payload] : all) {
    statement.AddRow({std::string_view(channel), std::string_view(payload)});
  }
  return connection.Execute(statement).status();
}

}  // namespace

absl::Status SendNotification(Connection& connection, const Notification& notification) {
  return SendAll(connection, {{notification.channel, notification.payload}});
}

Notifier::Notifier(std::unique_ptr<Connection> connection, absl::Duration coalesce)
    : connection_(std::move(connection)), coalesce_(coalesce) {
  thread_ = std::thread([this] { ThreadMain(); });
}

Notifier::~Notifier() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  ending_.NotifyAll();
  thread_.join();
}

void Notifier::Notify(const Notification& notification) {
  {
    const MutexLock lock(mu_);
    if (pending_.size() < kPendingMax) pending_.emplace(notification.channel, notification.payload);
  }
  changed_.NotifyAll();
}

void Notifier::ThreadMain() {
  for (Pending pending = Take(); !pending.empty(); pending = Take()) Send(pending);
}

// What has gathered by `coalesce` after the first, or by a pause after a failure; nothing at the end.
Notifier::Pending Notifier::Take() {
  const MutexLock lock(mu_);
  while (pending_.empty() && !stopping_) changed_.Wait(mu_);
  if (!stopping_) ending_.WaitFor(mu_, failing_ ? kFailedPause : coalesce_);
  return std::exchange(pending_, {});
}

void Notifier::Send(const Pending& pending) {
  const absl::Status sent = SendAll(*connection_, pending);
  if (absl::IsUnimplemented(sent)) return;
  const bool failed_before = std::exchange(failing_, !sent.ok());
  if (failing_ && !failed_before) {
    Log(LogLevel::kWarning, "other processes cannot be notified: they look for themselves meanwhile",
        {{"error", Message(sent)}});
  } else if (failed_before && !failing_) {
    Log(LogLevel::kInfo, "other processes are notified again");
  }
}

}  // namespace dbos::sidecar
