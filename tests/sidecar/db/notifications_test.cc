// Who listens hears what others send, notices when it does not, and comes back.
#include "sidecar/db/notifications.h"

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"

#include "sidecar/base/mutex.h"
#include "sidecar/base/status.h"
#include "sidecar/db/migrator.h"
#include "sidecar/db/notifier.h"
#include "sidecar/db/open.h"
#include "tests/testing/proxy/played_cockroach.h"
#include "tests/testing/test_database.h"

namespace dbos::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

// What a listener tells, for a test to wait for.
class Ears {
 public:
  // Listens on "ours" and "also_ours"; it tests itself through `send`.
  std::unique_ptr<NotificationListener> Listen(const Database& database, decltype(ListenOptions::send) send) {
    ListenOptions options;
    options.channels = {"ours", "also_ours"};
    options.received = [this](const Notification& one) { Add(one.channel + ":" + one.payload); };
    options.changed = [this](Listening now, const absl::Status& why) { Add(Name(now), Message(why)); };
    options.send = std::move(send);
    options.self_test_patience = patience;
    options.reconnect_pause = absl::Milliseconds(20);
    options.deaf_pause = absl::Milliseconds(20);
    return database.listen(std::move(options));
  }
  // Everything so far, once `last` is among it.
  std::vector<std::string> HeardUntil(const std::string& last) {
    const absl::Time until = absl::Now() + kPatience;
    const MutexLock lock(mu_);
    while (!reasons_.contains(last) && absl::Now() < until) changed_.WaitFor(mu_, absl::Milliseconds(50));
    reasons_.erase(last);
    return std::exchange(heard_, {});
  }
  std::string last_reason() {
    const MutexLock lock(mu_);
    return last_reason_;
  }

  absl::Duration patience = kPatience;

 private:
  static std::string Name(Listening now) {
    switch (now) {
      case Listening::kYes:
        return "yes";
      case Listening::kDisconnected:
        return "disconnected";
      case Listening::kNotDelivered:
        return "not delivered";
      case Listening::kUnsupported:
        return "unsupported";
    }
    return "";
  }
  void Add(const std::string& what, const std::string& why = "") {
    const MutexLock lock(mu_);
    heard_.push_back(what);
    reasons_[what] = why;
    if (!why.empty()) last_reason_ = why;
    changed_.NotifyAll();
  }

  Mutex mu_;
  CondVar changed_;
  std::vector<std::string> heard_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> reasons_ ABSL_GUARDED_BY(mu_);
  std::string last_reason_ ABSL_GUARDED_BY(mu_);
};

class NotificationsTest : public ::testing::Test {
 protected:
  // As another process would.
  absl::Status Send(const Notification& notification) const {
    return SendNotification(*database_->Open().connect(ConnectionRole::kReader), notification);
  }
  decltype(ListenOptions::send) Sender() {
    return [this](const Notification& notification) { return Send(notification); };
  }

  std::unique_ptr<TestDatabase> database_ = TestDatabase::Create(DatabaseKind::kPostgres);
  Ears ears_;
};

TEST_F(NotificationsTest, WhoListensHearsItsChannelsAndNoOthers) {
  const auto listener = ears_.Listen(database_->Open(), Sender());
  EXPECT_THAT(ears_.HeardUntil("yes"), ElementsAre("yes"));
  ASSERT_TRUE(Send({"theirs", "not for us"}).ok());
  ASSERT_TRUE(Send({"ours", "one"}).ok());
  ASSERT_TRUE(Send({"also_ours", "two"}).ok());
  EXPECT_THAT(ears_.HeardUntil("also_ours:two"), ElementsAre("ours:one", "also_ours:two"));
}

TEST_F(NotificationsTest, AConnectionThatIsLostIsOpenedAgainAndSaysSo) {
  const auto listener = ears_.Listen(database_->Open(), Sender());
  EXPECT_THAT(ears_.HeardUntil("yes"), ElementsAre("yes"));
  database_->Run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
      "query LIKE 'LISTEN%'");
  EXPECT_THAT(ears_.HeardUntil("yes"), ElementsAre("disconnected", "yes"));
  EXPECT_THAT(ears_.last_reason(), HasSubstr("terminat"));
  ASSERT_TRUE(Send({"ours", "again"}).ok());
  EXPECT_THAT(ears_.HeardUntil("ours:again"), ElementsAre("ours:again"));
}

TEST_F(NotificationsTest, AFailureThatLastsIsToldOnce) {
  std::atomic<int> tries = 0;
  const auto listener = ears_.Listen(database_->Open(), [&](const Notification& notification) {
    return ++tries < 4 ? absl::UnavailableError("the other way is closed") : Send(notification);
  });
  EXPECT_THAT(ears_.HeardUntil("yes"), ElementsAre("disconnected", "yes"));
  EXPECT_EQ(ears_.last_reason(), "the other way is closed");
  EXPECT_EQ(tries, 4);
}

TEST_F(NotificationsTest, WhatDoesNotArriveIsNoticedToldOnceAndTriedAgain) {
  std::atomic<int> tries = 0;
  ears_.patience = absl::Milliseconds(300);
  const auto listener = ears_.Listen(database_->Open(), [&](const Notification& notification) {
    if (++tries < 3) return Send({"ours", "another's " + notification.payload});  // lost on the way
    return Send(notification);
  });
  const std::vector<std::string> heard = ears_.HeardUntil("yes");
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "not delivered"), 1);
  EXPECT_EQ(heard.back(), "yes");
  EXPECT_THAT(ears_.last_reason(), HasSubstr("did not arrive within 300ms"));
  EXPECT_GE(tries, 3);
}

TEST_F(NotificationsTest, ItsEndDoesNotWaitForAPause) {
  ListenOptions options;
  options.channels = {"ours"};
  options.reconnect_pause = options.deaf_pause = absl::Hours(1);
  std::promise<void> failed;
  options.changed = [&](Listening, const absl::Status&) { failed.set_value(); };
  options.send = [](const Notification&) { return absl::UnavailableError("never"); };
  const auto listener = database_->Open().listen(options);
  failed.get_future().wait();
}

TEST_F(NotificationsTest, CockroachIsNotAskedToListenAndNothingIsSentThere) {
  const dbos::testing::PlayedCockroach server;
  const Database database = *OpenDatabase(server.Url(database_->Query("SELECT current_database()")[0]), "dbos");
  const auto listener = ears_.Listen(database, Sender());
  EXPECT_THAT(ears_.HeardUntil("unsupported"), ElementsAre("unsupported"));
  const auto connection = database.connect(ConnectionRole::kReader);
  EXPECT_TRUE(absl::IsUnimplemented(SendNotification(*connection, {"ours", "one"})));
  EXPECT_EQ(server.profile().refusals(), 0);
}

TEST_F(NotificationsTest, WhereTheyAreNotWantedNobodyListensAndNewTablesHaveNoTrigger) {
  constexpr char kTriggers[] = "SELECT COUNT(*) FROM pg_trigger WHERE tgname = 'dbos_notifications_trigger'";
  ConnectionOptions options;
  options.notify = false;
  const Database silent = *OpenDatabase(database_->url(), "silent", options);
  EXPECT_EQ(silent.listen, nullptr);
  EXPECT_TRUE(absl::IsUnimplemented(SendNotification(*silent.connect(ConnectionRole::kReader), {"ours", "one"})));
  ASSERT_TRUE(Migrate(silent, "shop").ok());
  EXPECT_EQ(database_->Query(kTriggers)[0], "0");
  ASSERT_TRUE(Migrate(database_->Open("loud"), "other").ok());
  EXPECT_EQ(database_->Query(kTriggers)[0], "1");
}

TEST(SqliteNotificationsTest, ThereAreNone) {
  const auto database = TestDatabase::Create(DatabaseKind::kSqlite);
  EXPECT_EQ(database->Open().listen, nullptr);
  EXPECT_TRUE(
      absl::IsUnimplemented(SendNotification(*database->Open().connect(ConnectionRole::kReader), {"ours", "one"})));
}

// A server that keeps what it is sent.
class RecordingConnection final : public Connection {
 public:
  struct Sent {
    Mutex mu;
    CondVar changed;
    std::vector<std::vector<std::string>> payloads ABSL_GUARDED_BY(mu);  // of each statement
    absl::Status answer ABSL_GUARDED_BY(mu);
  };
  explicit RecordingConnection(Sent& sent) : sent_(sent) {}

  using Connection::RunBatch;
  absl::StatusOr<std::vector<Result>> RunBatch(std::span<const Statement> /*statements*/,
                                               const Meanwhile& /*meanwhile*/) override {
    return absl::InternalError("a notification is no part of a transaction");
  }
  absl::StatusOr<Result> Execute(const Statement& statement) override {
    const MutexLock lock(sent_.mu);
    sent_.payloads.emplace_back();
    for (std::size_t n = 1; n < statement.values().size(); n += 2) {
      sent_.payloads.back().emplace_back(std::get<std::string_view>(statement.values()[n]));
    }
    sent_.changed.NotifyAll();
    if (!sent_.answer.ok()) return sent_.answer;
    return Result();
  }
  absl::StatusOr<Result> RunScript(const std::string& /*sql*/) override { return Result(); }
  absl::StatusOr<Dialect> ServerDialect() override { return PostgresDialect("dbos"); }

 private:
  Sent& sent_;
};

class NotifierTest : public ::testing::Test {
 protected:
  std::vector<std::vector<std::string>> SentUntil(std::size_t statements) {
    const MutexLock lock(sent_.mu);
    while (sent_.payloads.size() < statements) sent_.changed.Wait(sent_.mu);
    return sent_.payloads;
  }

  RecordingConnection::Sent sent_;
};

TEST_F(NotifierTest, WhatComesTogetherIsOneStatementAndEqualOnesAreSentOnce) {
  {
    Notifier notifier(std::make_unique<RecordingConnection>(sent_), absl::Hours(1));
    const absl::Time until = absl::Now() + absl::Milliseconds(20);
    for (int n = 0; absl::Now() < until; ++n) notifier.Notify({"ours", n % 2 == 0 ? "even" : "odd"});
  }  // what is left is sent at the end
  EXPECT_THAT(SentUntil(1), ElementsAre(ElementsAre("even", "odd")));
}

TEST_F(NotifierTest, LaterOnesAreSentLater) {
  Notifier notifier(std::make_unique<RecordingConnection>(sent_), absl::Milliseconds(1));
  notifier.Notify({"ours", "one"});
  SentUntil(1);
  notifier.Notify({"ours", "one"});
  EXPECT_THAT(SentUntil(2), ElementsAre(ElementsAre("one"), ElementsAre("one")));
}

TEST_F(NotifierTest, TooManyAreDroppedAndAFailureIsNotTheEnd) {
  Notifier notifier(std::make_unique<RecordingConnection>(sent_), absl::Milliseconds(1));
  {
    const MutexLock lock(sent_.mu);
    sent_.answer = absl::UnavailableError("away");
  }
  notifier.Notify({"ours", "lost"});
  SentUntil(1);
  for (int n = 0; n < 2000; ++n) notifier.Notify({"ours", std::to_string(n)});  // within the pause after a failure
  EXPECT_EQ(SentUntil(2)[1].size(), 1000U);
}

}  // namespace
}  // namespace dbos::sidecar
