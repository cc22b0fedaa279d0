// The pool of transactions with real threads, over a database that says what the test wants.
#include "sidecar/engine/transaction_pool.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sidecar/engine/scripted_transactions.h"

namespace dbos::sidecar {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using Conversation = std::shared_ptr<TransactionPool::Conversation>;

class TransactionPoolTest : public testing::Test {
 protected:
  std::unique_ptr<TransactionPool> Open(int size, absl::Duration timeout) {
    TransactionPool::Options options;
    options.size = size;
    options.timeout = timeout;
    const TransactionStorageFactory factory = [this]() -> absl::StatusOr<std::unique_ptr<TransactionStorage>> {
      if (!opening_.ok()) return opening_;
      return std::make_unique<ScriptedStorage>(script_);
    };
    return std::make_unique<TransactionPool>(factory, records_, options);
  }

  static std::future<TransactionAnswer> Post(TransactionPool& pool, const Conversation& conversation,
                                             TransactionRequest request) {
    auto answered = std::make_shared<std::promise<TransactionAnswer>>();
    pool.Post(conversation, std::move(request),
              [answered](TransactionAnswer answer) { answered->set_value(std::move(answer)); });
    return answered->get_future();
  }
  static TransactionAnswer Ask(TransactionPool& pool, const Conversation& conversation, TransactionRequest request) {
    return Post(pool, conversation, std::move(request)).get();
  }

  Script script_;
  ScriptedRecords records_{script_};
  absl::Status opening_;
};

Error ErrorOf(const TransactionAnswer& answer) {
  const auto* error = std::get_if<Error>(&answer);
  return error == nullptr ? Error() : *error;
}
bool Committed(const TransactionAnswer& answer) {
  const auto* ended = std::get_if<TransactionEnded>(&answer);
  return ended != nullptr && ended->how == TransactionEnded::How::kCommitted;
}

TEST_F(TransactionPoolTest, OneCallersTransactionsFollowEachOther) {
  const auto pool = Open(2, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  for (int n = 0; n < 100; ++n) {
    Ask(*pool, caller, Begins(true));
    ASSERT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
  }
  EXPECT_EQ(pool->usage().waiting, 0);
}

TEST_F(TransactionPoolTest, WhoFindsNoConnectionWaitsHisTurn) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation first = TransactionPool::Open();
  Ask(*pool, first, Begins(false));
  std::vector<Conversation> others;
  std::vector<std::future<TransactionAnswer>> answers;
  for (const char* sql : {"a", "b", "c"}) {
    others.push_back(TransactionPool::Open());
    TransactionRequest request = Begins(false);
    request.command = ExecuteRequest{Sql(sql), 0};
    answers.push_back(Post(*pool, others.back(), std::move(request)));
  }
  EXPECT_EQ(pool->usage().waiting, 3);
  EXPECT_EQ(pool->usage().in_use, 1);
  Ask(*pool, first, Asks(CommitRequest{{"1"}, 0}));
  for (auto& answer : answers) EXPECT_TRUE(Committed(answer.get()));
  std::vector<std::string> executed;
  for (const std::string& note : script_.log()) {
    if (note.rfind("execute", 0) == 0) executed.push_back(note);
  }
  EXPECT_EQ(executed, (std::vector<std::string>{"execute a", "execute b", "execute c"}));
}

TEST_F(TransactionPoolTest, WhoWaitsForTooLongIsToldWhoHoldsTheConnections) {
  const auto pool = Open(1, absl::Milliseconds(50));
  const Conversation first = TransactionPool::Open();
  Ask(*pool, first, Begins(true));
  const Conversation second = TransactionPool::Open();
  const Error error = ErrorOf(Ask(*pool, second, Begins(true)));
  EXPECT_EQ(error.reason, Reason::kPoolExhausted);
  EXPECT_THAT(error.message, HasSubstr("QueuePool limit of size 1 overflow 0 reached"));
  EXPECT_THAT(error.message, HasSubstr("in use by pay of w for "));
  EXPECT_EQ(pool->usage().timeouts, 1U);
  EXPECT_TRUE(Committed(Ask(*pool, first, Asks(CommitRequest{{"1"}, 0}))));  // the first goes on
}

TEST_F(TransactionPoolTest, AnIdleTransactionIsRolledBackAndItsCommitIsToldSo) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  TransactionRequest begin = Begins(true);
  begin.begin->idle_timeout = absl::Milliseconds(20);
  Ask(*pool, caller, std::move(begin));
  script_.AwaitNote("roll back");
  const Conversation other = TransactionPool::Open();  // its connection is free
  Ask(*pool, other, Begins(false));
  EXPECT_TRUE(Committed(Ask(*pool, other, Asks(CommitRequest{{"1"}, 0}))));
  const Error error = ErrorOf(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0})));
  EXPECT_EQ(error.reason, Reason::kTransactionTimeout);
  EXPECT_THAT(error.message, HasSubstr("idle"));
  EXPECT_EQ(ErrorOf(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))).reason, Reason::kInvalidRequest);
  Ask(*pool, caller, Begins(true));
  EXPECT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
}

TEST_F(TransactionPoolTest, ATransactionThatTakesTooLongIsRolledBackThoughItIsNotIdle) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  TransactionRequest begin = Begins(true);
  begin.begin->timeout = absl::Milliseconds(20);
  Ask(*pool, caller, std::move(begin));
  script_.AwaitNote("roll back");
  const Error error = ErrorOf(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0})));
  EXPECT_EQ(error.reason, Reason::kTransactionTimeout);
  EXPECT_THAT(error.message, HasSubstr("time limit"));
}

TEST_F(TransactionPoolTest, WhenTheCallerGoesItsStatementIsEndedAndItsTransactionRolledBack) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  Ask(*pool, caller, Begins(true));
  script_.in_run = [this] { script_.AwaitNote("interrupt"); };
  pool->Post(caller, Asks(Sql("slow")), [](const TransactionAnswer&) {});
  script_.AwaitNote("run slow");
  TransactionPool::Close(caller);
  script_.AwaitNote("roll back");
  const Conversation other = TransactionPool::Open();
  Ask(*pool, other, Begins(false));
  EXPECT_TRUE(Committed(Ask(*pool, other, Asks(CommitRequest{{"1"}, 0}))));
  EXPECT_THAT(script_.log(), Contains("commit"));
}

TEST_F(TransactionPoolTest, AWaitingCallerThatGoesTakesNoConnection) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation first = TransactionPool::Open();
  Ask(*pool, first, Begins(false));
  const Conversation second = TransactionPool::Open();
  TransactionRequest request = Begins(false);
  request.command = ExecuteRequest{Sql("gone"), 0};
  pool->Post(second, std::move(request), [](const TransactionAnswer&) {});
  TransactionPool::Close(second);
  Ask(*pool, first, Asks(CommitRequest{{"1"}, 0}));
  const Conversation third = TransactionPool::Open();
  request = Begins(false);
  request.command = ExecuteRequest{Sql("here"), 0};
  EXPECT_TRUE(Committed(Ask(*pool, third, std::move(request))));
  EXPECT_THAT(script_.log(), ::testing::Not(Contains("execute gone")));
}

TEST_F(TransactionPoolTest, ADatabaseThatIsAwayIsTheAnswerAndTheNextIsTriedAfresh) {
  const auto pool = Open(1, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  opening_ = absl::UnavailableError("away");
  EXPECT_EQ(ErrorOf(Ask(*pool, caller, Begins(true))).reason, Reason::kDatabaseUnavailable);
  opening_ = absl::OkStatus();
  Ask(*pool, caller, Begins(true));
  EXPECT_TRUE(Committed(Ask(*pool, caller, Asks(CommitRequest{{"1"}, 0}))));
}

TEST_F(TransactionPoolTest, TheEndOfThePoolRollsBackWhatIsOpen) {
  auto pool = Open(2, absl::Seconds(30));
  const Conversation caller = TransactionPool::Open();
  Ask(*pool, caller, Begins(true));
  pool.reset();
  EXPECT_THAT(script_.log(), Contains("roll back"));
}

}  // namespace
}  // namespace dbos::sidecar
