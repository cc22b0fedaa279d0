#include "sidecar/db/postgres/notification_listener.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "sidecar/base/check.h"
#include "sidecar/base/ids.h"
#include "sidecar/base/status.h"
#include "sidecar/db/postgres/postgres_errors.h"
#include "sidecar/db/postgres/postgres_link.h"

namespace dbos::sidecar {
namespace {

class PostgresListener final : public NotificationListener {
 public:
  PostgresListener(PostgresParameters parameters, PasswordSource password, ListenOptions options)
      : options_(std::move(options)), link_(std::move(parameters), std::move(password)) {
    thread_ = std::thread([this] { ThreadMain(); });
  }
  PostgresListener(const PostgresListener&) = delete;
  PostgresListener& operator=(const PostgresListener&) = delete;
  ~PostgresListener() override {
    stopping_.store(true);
    constexpr std::uint64_t kStop = 1;
    DBOS_CHECK(write(stop_fd_, &kStop, sizeof(kStop)) == sizeof(kStop));
    thread_.join();
    close(stop_fd_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  void ThreadMain();
  absl::Status Listen(Listening& ended);
  absl::Status Open(Listening& ended);
  absl::Status Run(const std::string& sql);
  absl::Status TestMyself(Listening& ended);
  absl::Status Take();
  void Tell(Listening now, const absl::Status& why);
  void Wait(absl::Duration timeout);

  const ListenOptions options_;
  std::atomic<bool> stopping_{false};
  const int stop_fd_ = eventfd(0, EFD_CLOEXEC);  // has something to read when we stop

  // ---- the thread's own
  PostgresLink link_;
  std::string self_test_;    // the payload that has to arrive
  bool self_heard_ = false;  // and has arrived
  std::optional<Listening> told_;

  std::thread thread_;  // last: it uses the others
};

void PostgresListener::ThreadMain() {
  while (true) {
    Listening ended = Listening::kDisconnected;
    const absl::Status why = Listen(ended);
    link_.Close();
    if (stopping_.load()) return;
    Tell(ended, why);
    if (ended == Listening::kUnsupported) return;
    Wait(ended == Listening::kNotDelivered ? options_.deaf_pause : options_.reconnect_pause);
    if (stopping_.load()) return;
  }
}

// Until we stop, or `ended`.
absl::Status PostgresListener::Listen(Listening& ended) {
  RETURN_IF_ERROR(Open(ended));
  RETURN_IF_ERROR(TestMyself(ended));
  if (!stopping_.load()) Tell(Listening::kYes, absl::OkStatus());
  while (!stopping_.load()) {
    Wait(absl::InfiniteDuration());
    RETURN_IF_ERROR(Take());
  }
  return absl::OkStatus();
}

absl::Status PostgresListener::Open(Listening& ended) {
  RETURN_IF_ERROR(link_.Open());
  if (link_.DialectOf("").notify == Dialect::Notify::kNo) {
    ended = Listening::kUnsupported;
    return absl::UnimplementedError("the server has no notifications");
  }
  return Run(absl::StrJoin(options_.channels, "; ", [](std::string* out, const std::string& channel) {
    absl::StrAppend(out, "LISTEN ", QuoteIdentifier(channel));
  }));
}

absl::Status PostgresListener::Run(const std::string& sql) {
  const PostgresResult result(PQexec(link_.get(), sql.c_str()));
  if (PQresultStatus(result.get()) == PGRES_COMMAND_OK) return absl::OkStatus();
  const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  return PostgresError(sqlstate == nullptr ? "" : sqlstate, PQerrorMessage(link_.get()));
}

absl::Status PostgresListener::TestMyself(Listening& ended) {
  self_test_ = absl::StrCat(kListenSelfTest, " ", RandomUuid());
  self_heard_ = false;
  RETURN_IF_ERROR(options_.send({options_.channels.front(), self_test_}));
  const Clock::time_point until = Clock::now() + absl::ToChronoNanoseconds(options_.self_test_patience);
  while (!self_heard_ && !stopping_.load()) {
    const absl::Duration left = absl::FromChrono(until - Clock::now());
    if (left <= absl::ZeroDuration()) {
      ended = Listening::kNotDelivered;
      (void)Run("UNLISTEN *");  // the pooler's session, which others get: as well as we can
      return absl::DeadlineExceededError(absl::StrCat("a notification that was sent did not arrive within ",
                                                      absl::FormatDuration(options_.self_test_patience)));
    }
    Wait(left);
    RETURN_IF_ERROR(Take());
  }
  return absl::OkStatus();
}

// What has arrived.
absl::Status PostgresListener::Take() {
  if (PQconsumeInput(link_.get()) != 1) return PostgresError("", PQerrorMessage(link_.get()));
  const auto free = [](PGnotify* notify) { PQfreemem(notify); };
  while (const auto next = std::unique_ptr<PGnotify, decltype(free)>(PQnotifies(link_.get()), free)) {
    const Notification notification{next->relname, next->extra};
    if (notification.payload == self_test_) {
      self_heard_ = true;
    } else if (!stopping_.load()) {
      options_.received(notification);
    }
  }
  return absl::OkStatus();
}

void PostgresListener::Tell(Listening now, const absl::Status& why) {
  if (told_ == now) return;
  told_ = now;
  options_.changed(now, why);
}

// For something from the server, if there is a session, or for the end.
void PostgresListener::Wait(absl::Duration timeout) {
  std::array<pollfd, 2> waits = {{{stop_fd_, POLLIN, 0}, {PQsocket(link_.get()), POLLIN, 0}}};  // -1 is passed over
  const bool forever = timeout == absl::InfiniteDuration();
  const auto ms = static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1))));
  poll(waits.data(), waits.size(), forever ? -1 : ms);  // whoever called looks what it was
}

}  // namespace

std::unique_ptr<NotificationListener> ListenOnPostgres(const PostgresParameters& parameters,
                                                       const PasswordSource& password, ListenOptions options) {
  return std::make_unique<PostgresListener>(parameters, password, std::move(options));
}

}  // namespace dbos::sidecar
