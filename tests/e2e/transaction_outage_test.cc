// The connection of a transaction goes away: before, during and after its COMMIT, while a statement waits, and for
// longer than the transaction may take.
#include <future>

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "tests/e2e/bank.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::CommitPoint;
using dbos::testing::Fault;
using dbos::testing::PgProxy;
using ::testing::Combine;
using ::testing::Values;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kAtOnce = absl::Seconds(2);

// A connection of the test's own, on which something is held until it is gone.
class Holder {
 public:
  Holder(const std::string& url, const std::string& sql) : connection_(PQconnectdb(url.c_str()), &PQfinish) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_.get(), sql.c_str()), &PQclear);
    EXPECT_STREQ(PQerrorMessage(connection_.get()), "");
  }
  void Release() { connection_.reset(); }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

class ProxiedBank {
 protected:
  explicit ProxiedBank(Place place) : bank_(place) {}

  // So many statements wait for a lock in the application's database.
  bool Wait(int count) {
    return Eventually(kPatience, [&] {
      if (supervised_) bank_.world().Supervise(absl::ZeroDuration());
      return bank_.Ask(
                 "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname ="
                 " current_database()") >= std::vector<std::string>{std::to_string(count)};
    });
  }

  Bank bank_;
  PgProxy& proxy_ = bank_.PutProxyBetween();
  bool supervised_ = false;
};

// ---------------------------------------------------------------- drops at COMMIT, one by one
class CommitDropTest : public ProxiedBank, public ::testing::TestWithParam<std::tuple<Place, Fault>> {
 protected:
  CommitDropTest() : ProxiedBank(std::get<0>(GetParam())) {}
};

std::string NameOf(Fault fault) {
  return fault == Fault::kDropBefore ? "before" : fault == Fault::kDropDuring ? "during" : "after";
}

TEST_P(CommitDropTest, EachKindOfTransactionIsThereOnce) {
  const Fault fault = std::get<1>(GetParam());
  bank_.Open();
  ASSERT_TRUE(bank_.world().AppsWrote("ready")) << bank_.world().Logs();
  // Of a failure: in one database it is a row of the writer's, in two the third row of its transfer.
  const bool one = bank_.place() == Place::kOneDatabase;
  const std::string failure = one ? "i.new_name" : "INSERT INTO \"dbos\".transaction_outputs";
  struct Commit {
    int transfer;
    std::string mentions;
    int skip;
  };
  int transfers = 0;
  for (const Commit& commit : {Commit{1, "INSERT INTO ledger", 0}, Commit{2, "INSERT INTO audit", 0},
                               Commit{4, "INSERT INTO kept", 0}, Commit{3, failure, one ? 0 : 2}}) {
    proxy_.ResetCounts();
    proxy_.Arm({.fault = fault, .at = CommitPoint::kAny, .mentions = commit.mentions, .skip = commit.skip});
    Transfers transfer(bank_, 1, commit.transfer);
    transfer.Finish();
    transfer.Check(transfers++);
    EXPECT_TRUE(proxy_.WaitForFaults(1, absl::ZeroDuration())) << "no drop at the commit of " << commit.transfer;
  }
  EXPECT_EQ(bank_.world().restarts(), 0) << bank_.world().Logs();
}

INSTANTIATE_TEST_SUITE_P(Drops, CommitDropTest,
                         Combine(Values(Place::kOneDatabase, Place::kTwoDatabases),
                                 Values(Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer)),
                         [](const auto& test) {
                           return ToString(std::get<0>(test.param)) + "_" + NameOf(std::get<1>(test.param));
                         });

// ---------------------------------------------------------------- other losses
class TransactionOutageTest : public ProxiedBank, public ::testing::TestWithParam<Place> {
 protected:
  TransactionOutageTest() : ProxiedBank(GetParam()) {}

  // Commits of the ledger wait for an advisory lock: the server is at them for as long as the test holds it.
  void MakeCommitsWait() {
    bank_.Ask(
        "CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END'");
    bank_.Ask(
        "CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION wait_for_the_test()");
  }
};

TEST_P(TransactionOutageTest, TheSidecarDiesWhileTheServerIsAtTheCommit) {
  MakeCommitsWait();
  Holder holder(bank_.url(), "SELECT pg_advisory_lock(7)");
  bank_.Open();
  Transfers transfer(bank_, 1, 1);
  ASSERT_TRUE(Wait(1)) << bank_.world().Logs();
  bank_.world().sidecar().Kill();
  supervised_ = true;
  ASSERT_TRUE(Wait(2)) << "whoever comes next waits for the commit in doubt\n" << bank_.world().Logs();
  holder.Release();
  transfer.Finish();
  transfer.Check();
  EXPECT_EQ(bank_.world().restarts(), 1);
}

TEST_P(TransactionOutageTest, TheConnectionDiesWhileTheServerIsAtTheCommit) {
  MakeCommitsWait();
  Holder holder(bank_.url(), "SELECT pg_advisory_lock(7)");
  bank_.Open();
  Transfers transfer(bank_, 1, 1);
  ASSERT_TRUE(Wait(1)) << bank_.world().Logs();
  proxy_.DropAll();
  ASSERT_TRUE(Wait(2)) << "the next try waits for the commit in doubt\n" << bank_.world().Logs();
  holder.Release();
  transfer.Finish();
  transfer.Check();
  EXPECT_EQ(bank_.world().restarts(), 0);
}

TEST_P(TransactionOutageTest, TheConnectionDiesBetweenTwoStatements) {
  bank_.Open("", {"stop", "debit"});
  Transfers transfer(bank_, 1, 1);
  ASSERT_TRUE(bank_.world().app(0).WaitStopped(kPatience)) << bank_.world().Logs();
  proxy_.DropAll();
  bank_.world().app(0).Continue();
  transfer.Finish();
  transfer.Check();
  EXPECT_EQ(bank_.world().restarts(), 0);
}

TEST_P(TransactionOutageTest, AnOutageThatIsLongerThanItsTimeFailsNoTransaction) {
  bank_.Open("", {"stop", "began"});
  dbos::Client client({.sidecar_address = bank_.world().address()});
  auto handle = client.start<std::string>("note", {.workflow_id = "n"}, false, 700, 5000);
  ASSERT_TRUE(bank_.world().app(0).WaitStopped(kPatience)) << bank_.world().Logs();
  proxy_.SetAccepting(dbos::testing::Accepting::kNo);
  proxy_.DropAll();
  const std::int64_t refused = proxy_.counts().refused;
  bank_.world().app(0).Continue();
  const absl::Duration begun = SinceBoot();
  Eventually(kPatience, [&] { return SinceBoot() > begun + absl::Seconds(2); });
  EXPECT_GT(proxy_.counts().refused, refused);
  proxy_.SetAccepting(dbos::testing::Accepting::kYes);
  const std::string nonce = handle.result(std::chrono::seconds(20));
  EXPECT_EQ(bank_.Ask("SELECT nonce FROM ledger"), std::vector<std::string>{nonce});
}

TEST_P(TransactionOutageTest, OutsideOfAWorkflowWhatWasNotSentIsNotInDoubt) {
  bank_.Ask("CREATE TABLE outside (id INTEGER)");
  bank_.Open();
  dbos::Client client({.sidecar_address = bank_.world().address()});
  const auto insert = [](int id) { return "INSERT INTO outside VALUES (" + std::to_string(id) + ")"; };
  client.sql(insert(0));  // there is a connection to lose
  proxy_.SetAccepting(dbos::testing::Accepting::kNo);
  proxy_.DropAll();
  const std::int64_t refused = proxy_.counts().refused;
  std::vector<std::future<void>> calls;
  calls.push_back(std::async(std::launch::async, [&] { client.sql(insert(1)); }));
  calls.push_back(std::async(std::launch::async,
                             [&] { client.transaction({}, [&](dbos::Transaction& tx) { tx.query(insert(2)); }); }));
  calls.push_back(std::async(std::launch::async,
                             [&] { client.transaction({}, [&](dbos::Transaction& tx) { tx.defer(insert(3)); }); }));
  Eventually(kPatience, [&] { return proxy_.counts().refused > refused + 20; });
  proxy_.SetAccepting(dbos::testing::Accepting::kYes);
  for (std::future<void>& call : calls) EXPECT_NO_THROW(call.get());
  EXPECT_EQ(bank_.Ask("SELECT id FROM outside ORDER BY id"), (std::vector<std::string>{"0", "1", "2", "3"}));
}

TEST_P(TransactionOutageTest, AnAppThatDiesWhileItsStatementWaitsForALockLeavesNoLock) {
  Holder holder(bank_.url(), "BEGIN; UPDATE accounts SET balance = balance WHERE id = 2");
  bank_.Open();
  Transfers transfer(bank_, 1, 1);  // from account 1 to 2
  ASSERT_TRUE(Wait(1)) << bank_.world().Logs();
  EXPECT_FALSE(bank_.CanUpdate(1, absl::Milliseconds(10)));
  bank_.world().app(0).Kill();
  EXPECT_TRUE(bank_.CanUpdate(1, kAtOnce));
  holder.Release();
  transfer.Finish();
  transfer.Check();
}

INSTANTIATE_TEST_SUITE_P(Places, TransactionOutageTest, Values(Place::kOneDatabase, Place::kTwoDatabases),
                         [](const auto& test) { return ToString(test.param); });

}  // namespace
}  // namespace dbos::sidecar
