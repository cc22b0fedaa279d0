// Transactions within a session: many at once, in any order, and what becomes of them when the session ends.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sidecar/rpc/door_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::HasSubstr;

class SessionTransactionsTest : public DoorFixture {
 protected:
  void SetUp() override {
    session_.Greet();
    Execute("CREATE TABLE ledger (id INTEGER PRIMARY KEY, note TEXT)");
  }

  v1::TransactFrame& NewFrame(std::uint64_t conversation) {
    frame_.Clear();
    v1::TransactFrame& transact = *frame_.mutable_transact();
    transact.set_seq(++seq_);
    transact.set_conversation(conversation);
    return transact;
  }
  v1::TransactResponse Ask(v1::TransactFrame& frame) {
    const std::uint64_t seq = frame.seq();
    session_.Send(frame_);
    while (true) {
      const v1::ServerFrame answer = session_.Next(v1::ServerFrame::kTransacted);
      if (answer.transacted().seq() == seq || answer.frame_case() == v1::ServerFrame::FRAME_NOT_SET) {
        return answer.transacted().response();
      }
    }
  }
  // Opens a transaction with this statement, or goes on with it.
  v1::TransactResponse Run(std::uint64_t conversation, const std::string& sql, bool begins, bool read_only = false) {
    v1::TransactFrame& frame = NewFrame(conversation);
    if (begins) frame.mutable_request()->mutable_begin()->set_read_only(read_only);
    frame.mutable_request()->mutable_statement()->set_sql(sql);
    return Ask(frame);
  }
  v1::TransactResponse Commit(std::uint64_t conversation) {
    v1::TransactFrame& frame = NewFrame(conversation);
    frame.mutable_request()->mutable_commit();
    return Ask(frame);
  }
  v1::ServerFrame Execute(const std::string& sql) {
    frame_.Clear();
    frame_.mutable_execute()->set_seq(++seq_);
    frame_.mutable_execute()->mutable_request()->mutable_statement()->set_sql(sql);
    session_.Send(frame_);
    return session_.Next(v1::ServerFrame::kExecuted);
  }
  std::string Count() {
    const v1::TransactResponse rows = Run(99, "SELECT count(*) FROM ledger", true, true);
    const std::string count = rows.rows().rows_size() == 1 ? rows.rows().rows(0).cells(0) : rows.ShortDebugString();
    Commit(99);
    return count;
  }

  SessionClient session_{Connect()};
  v1::ClientFrame frame_;
  std::uint64_t seq_ = 0;
};

TEST_F(SessionTransactionsTest, AStatementAloneIsAnsweredWithItsOutcome) {
  const v1::ServerFrame answer = Execute("INSERT INTO ledger(id) VALUES (1), (2) RETURNING id");
  EXPECT_EQ(answer.executed().response().ended().how(), v1::TransactionEnded::HOW_COMMITTED);
  EXPECT_THAT(answer.executed().response().ended().outcome().value().data(), HasSubstr(R"(["1"], ["2"])"));
  EXPECT_EQ(Execute("INSERT INTO ledger(id) VALUES (1)").executed().response().sql_error().sqlstate(), "23505");
}

TEST_F(SessionTransactionsTest, ConversationsDoNotMix) {
  Run(1, "INSERT INTO ledger(id) VALUES (1)", true);
  const v1::TransactResponse other = Run(2, "SELECT count(*) FROM ledger", true, true);
  EXPECT_EQ(other.rows().rows(0).cells(0), "0") << other.ShortDebugString();
  EXPECT_EQ(Commit(1).ended().how(), v1::TransactionEnded::HOW_COMMITTED);
  EXPECT_EQ(Commit(2).ended().how(), v1::TransactionEnded::HOW_COMMITTED);
  EXPECT_EQ(Commit(1).refused().reason(), v1::REASON_INVALID_REQUEST);  // it was over
  EXPECT_EQ(Count(), "1");
}

TEST_F(SessionTransactionsTest, TheEndOfTheSessionRollsBack) {
  Run(1, "INSERT INTO ledger(id) VALUES (1)", true);
  session_.Disconnect();
  session_.Finish();
  SessionClient next(Connect());
  next.Greet();
  v1::ClientFrame frame;
  frame.mutable_execute()->set_seq(1);
  frame.mutable_execute()->mutable_request()->mutable_statement()->set_sql("INSERT INTO ledger(id) VALUES (1)");
  next.Send(frame);
  EXPECT_EQ(next.Next(v1::ServerFrame::kExecuted).executed().response().ended().how(),
            v1::TransactionEnded::HOW_COMMITTED);
}

// What a client sends that gave up waiting.
TEST_F(SessionTransactionsTest, ARequestBeforeTheAnswerRollsBack) {
  Run(1, "INSERT INTO ledger(id) VALUES (1)", true);
  v1::SessionRequest message;
  v1::TransactFrame& slow = *message.add_frames()->mutable_transact();
  slow.set_seq(++seq_);
  slow.set_conversation(1);
  slow.mutable_request()->mutable_statement()->set_sql(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
  v1::TransactFrame& back = *message.add_frames()->mutable_transact();
  back.set_seq(++seq_);
  back.set_conversation(1);
  back.mutable_request()->mutable_rollback();
  session_.Send(message);
  EXPECT_EQ(session_.Next(v1::ServerFrame::kTransacted).transacted().response().ended().how(),
            v1::TransactionEnded::HOW_ROLLED_BACK);
  EXPECT_EQ(Execute("INSERT INTO ledger(id) VALUES (1)").executed().response().ended().how(),
            v1::TransactionEnded::HOW_COMMITTED);  // the lock is free
}

TEST_F(SessionTransactionsTest, WhatCannotBeUnderstoodRollsBackAndSaysWhy) {
  Run(1, "INSERT INTO ledger(id) VALUES (1)", true);
  v1::TransactFrame& frame = NewFrame(1);
  frame.mutable_request()->mutable_commit();
  frame.mutable_request()->mutable_rollback();
  EXPECT_EQ(Ask(frame).refused().reason(), v1::REASON_INVALID_REQUEST);
  EXPECT_EQ(Commit(1).refused().reason(), v1::REASON_INVALID_REQUEST);
  EXPECT_EQ(Count(), "0");
}

TEST_F(SessionTransactionsTest, AnIdleTransactionIsRolledBackAndTheCommitIsToldSo) {
  v1::TransactFrame& frame = NewFrame(1);
  frame.mutable_request()->mutable_begin()->set_idle_timeout_ms(30);
  frame.mutable_request()->mutable_statement()->set_sql("INSERT INTO ledger(id) VALUES (1)");
  Ask(frame);
  EXPECT_EQ(Execute("INSERT INTO ledger(id) VALUES (2)").executed().response().ended().how(),
            v1::TransactionEnded::HOW_COMMITTED);  // it had to wait for the idle one
  EXPECT_EQ(Commit(1).refused().reason(), v1::REASON_TRANSACTION_TIMEOUT);
  EXPECT_EQ(Count(), "1");
}

}  // namespace
}  // namespace dbos::sidecar
