#include "sidecar/server/wakeups.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "sidecar/base/logging.h"
#include "sidecar/base/status.h"
#include "sidecar/server/database.h"

namespace dbos::sidecar {
namespace {

constexpr char kChannel[] = "dbos_sidecar_wakeup";

}  // namespace

std::string WakeupPayload(const WakeupSender& sender) {
  return absl::StrCat(sender.application, " ", sender.executor, " ", sender.schema);
}

bool IsWakeupFor(const WakeupSender& self, const std::string& payload) {
  const std::size_t executor = payload.find(' ');
  const std::size_t schema = payload.find(' ', executor + 1);
  if (executor == std::string::npos || schema == std::string::npos) return false;
  return payload.substr(0, executor) == self.application && payload.substr(schema + 1) == self.schema &&
         payload.substr(executor + 1, schema - executor - 1) != self.executor;
}

absl::StatusOr<std::unique_ptr<Wakeups>> Wakeups::Open(const Config& config, const std::string& executor_id) {
  ASSIGN_OR_RETURN(Database direct, OpenSystemDatabase(config));
  if (direct.listen == nullptr) return nullptr;
  Database main = direct;
  if (!config.direct_database_url.empty()) {
    ConnectionOptions options = ConnectionOptionsOf(config);
    options.through_pooler = true;
    ASSIGN_OR_RETURN(main, OpenDatabase(config.system_database_url, config.schema, options));
  }
  return std::unique_ptr<Wakeups>(new Wakeups({config.name, executor_id, config.schema}, main, std::move(direct)));
}

Wakeups::Wakeups(WakeupSender self, const Database& main, Database direct)
    : self_(std::move(self)),
      connect_(main.connect),
      direct_(std::move(direct)),
      notifier_(main.connect(ConnectionRole::kReader)) {
}

void Wakeups::Tell() {
  notifier_.Notify({kChannel, WakeupPayload(self_)});
}

void Wakeups::Hear(std::function<void()> work_arrived) {
  work_arrived_ = std::move(work_arrived);
  ListenOptions options;
  options.channels = {kChannel};
  options.received = [this](const Notification& notification) {
    if (IsWakeupFor(self_, notification.payload)) work_arrived_();
  };
  options.changed = [this](Listening now, const absl::Status& why) { Changed(now, why); };
  options.send = [this](const Notification& notification) {
    return SendNotification(*connect_(ConnectionRole::kReader), notification);
  };
  listener_ = direct_.listen(std::move(options));
}

void Wakeups::Changed(Listening now, const absl::Status& why) {
  arrive_.store(now == Listening::kYes);
  switch (now) {
    case Listening::kYes:
      if (was_lost_ || was_deaf_) Log(LogLevel::kInfo, "notifications of other sidecars arrive again");
      was_lost_ = was_deaf_ = false;
      return work_arrived_();
    case Listening::kDisconnected:
      if (!std::exchange(was_lost_, true)) {
        Log(LogLevel::kWarning,
            "notifications of other sidecars do not arrive now: their work is looked for each second",
            {{"error", Message(why)}});
      }
      return;
    case Listening::kNotDelivered:
      if (!std::exchange(was_deaf_, true)) {
        Log(LogLevel::kWarning,
            "notifications do not reach this sidecar, as behind a pooler in transaction mode: work of other sidecars "
            "is "
            "looked for each second. Set sidecar.direct_database_url to a URL past the pooler, or use_listen_notify to "
            "off",
            {{"error", Message(why)}});
      }
      return;
    case Listening::kUnsupported:
      Log(LogLevel::kDebug, "no notifications of other sidecars: their work is looked for each second",
          {{"why", Message(why)}});
      return;
  }
}

}  // namespace dbos::sidecar
