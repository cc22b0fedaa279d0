// The rules of one transaction, over a database that says what the test wants.
#include "sidecar/engine/transaction.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sidecar/engine/scripted_transactions.h"

namespace dbos::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using How = TransactionEnded::How;
using Kind = CommitVerdict::Kind;

constexpr std::int64_t kNow = 1'700'000'000'000;

CommitVerdict Recorded(const std::string& text, Outcome::Kind kind = Outcome::Kind::kValue) {
  CommitVerdict verdict;
  verdict.kind = Kind::kRecordedBefore;
  verdict.recorded.step_id = 3;
  verdict.recorded.name = "pay";
  verdict.recorded.outcome = Outcome{kind, {text}};
  return verdict;
}
CommitVerdict Failing(Kind kind, const std::string& sqlstate) {
  CommitVerdict verdict;
  verdict.kind = kind;
  verdict.failure.sqlstate = sqlstate;
  verdict.failure.message = "no";
  return verdict;
}

class TransactionTest : public testing::Test {
 protected:
  TransactionAnswer Handle(TransactionRequest request) { return transaction_.Handle(request, kNow); }
  TransactionAnswer Commit(const std::string& value) { return Handle(Asks(CommitRequest{{value}, 0})); }

  Script script_;
  ScriptedStorage storage_{script_};
  ScriptedRecords records_{script_};
  Transaction transaction_{storage_, records_};
};

How HowOf(const TransactionAnswer& answer) {
  const auto* ended = std::get_if<TransactionEnded>(&answer);
  return ended == nullptr ? How{} : ended->how;
}
std::string ValueOf(const TransactionAnswer& answer) {
  const auto* ended = std::get_if<TransactionEnded>(&answer);
  return ended == nullptr || !ended->outcome ? "" : ended->outcome->payload.data;
}
Reason ReasonOf(const TransactionAnswer& answer) {
  const auto* error = std::get_if<Error>(&answer);
  return error == nullptr ? Reason::kNone : error->reason;
}
std::string RestartOf(const TransactionAnswer& answer) {
  const auto* restart = std::get_if<TransactionRestart>(&answer);
  return restart == nullptr ? "" : restart->why.sqlstate;
}

TEST_F(TransactionTest, InTheSameDatabaseTheRecordIsPartOfTheCommit) {
  Handle(Begins(true));
  Handle(Asks(Sql("a")));
  const TransactionAnswer answer = Commit("1");
  EXPECT_EQ(HowOf(answer), How::kCommitted);
  EXPECT_EQ(ValueOf(answer), "1");
  EXPECT_FALSE(transaction_.open());
  EXPECT_THAT(script_.log(), ElementsAre("begin", "run a", "commit with 1"));
}

TEST_F(TransactionTest, WhatIsDeferredGoesBeforeWhatItCameWith) {
  TransactionRequest first = Defers({Sql("a"), Sql("b")}, Sql("c"));
  first.begin = Begins(true).begin;
  Handle(std::move(first));
  EXPECT_EQ(HowOf(Handle(Defers({Sql("d")}, CommitRequest{{"1"}, 0}))), How::kCommitted);
  EXPECT_THAT(script_.log(), ElementsAre("begin", "defer a", "defer b", "run c", "defer d", "commit with 1"));
}

TEST_F(TransactionTest, ADeferredStatementThatCannotBeRunEndsTheTransaction) {
  Handle(Begins(true));
  script_.defers = absl::InvalidArgumentError("no such parameter");
  EXPECT_EQ(ReasonOf(Handle(Defers({Sql("a")}, CommitRequest{{"1"}, 0}))), Reason::kInvalidRequest);
  EXPECT_FALSE(transaction_.open());
  EXPECT_THAT(script_.log(), ElementsAre("begin", "defer a", "roll back"));
}

TEST_F(TransactionTest, OutsideOfAWorkflowNothingIsRecorded) {
  Handle(Begins(false));
  EXPECT_EQ(HowOf(Commit("1")), How::kCommitted);
  EXPECT_THAT(script_.log(), ElementsAre("begin", "commit"));
}

TEST_F(TransactionTest, InADatabaseOfItsOwnTheSystemRowFollowsBeforeTheAnswer) {
  script_.same_database = false;
  Handle(Begins(true));
  EXPECT_EQ(HowOf(Commit("1")), How::kCommitted);
  EXPECT_THAT(script_.log(), ElementsAre("look up", "begin", "commit with 1", "engine records 1"));
}

TEST_F(TransactionTest, InTheFirstRunOfAWorkflowNothingIsLookedUpAndTheKeyAnswersAtTheCommit) {
  script_.same_database = false;
  script_.standing.first_run = true;
  CommitVerdict before;
  before.kind = CommitVerdict::Kind::kRecordedBefore;
  before.recorded.outcome = Outcome{Outcome::Kind::kValue, {"old"}};
  script_.commits.emplace_back(before);
  EXPECT_TRUE(std::holds_alternative<TransactionDone>(Handle(Begins(true))));
  const TransactionAnswer answer = Handle(Asks(CommitRequest{{"1"}, 0}));
  ASSERT_TRUE(std::holds_alternative<TransactionEnded>(answer));
  EXPECT_EQ(std::get<TransactionEnded>(answer).how, TransactionEnded::How::kRecordedBefore);
  EXPECT_EQ(std::get<TransactionEnded>(answer).outcome->payload.data, "old");
  EXPECT_THAT(script_.log(), ElementsAre("begin", "commit with 1", "engine records old"));
}

TEST_F(TransactionTest, TheSystemRowThatIsRefusedIsTheAnswer) {
  script_.same_database = false;
  script_.record.error = {Reason::kFenced, "elsewhere"};
  Handle(Begins(true));
  EXPECT_EQ(ReasonOf(Commit("1")), Reason::kFenced);
}

TEST_F(TransactionTest, WhatTheApplicationDatabaseHasRecordedIsTheOutcomeAndNoCodeRuns) {
  script_.same_database = false;
  script_.recorded.push_back(std::optional(Recorded("old")));
  const TransactionAnswer answer = Handle(Begins(true));
  EXPECT_EQ(HowOf(answer), How::kRecordedBefore);
  EXPECT_EQ(ValueOf(answer), "old");
  EXPECT_FALSE(transaction_.open());
  EXPECT_THAT(script_.log(), ElementsAre("look up", "engine records old"));
}

TEST_F(TransactionTest, AnExecutionThatIsFencedBeginsNothing) {
  script_.standing.refusal = {Reason::kFenced, "elsewhere"};
  EXPECT_EQ(ReasonOf(Handle(Begins(true))), Reason::kFenced);
  EXPECT_THAT(script_.log(), ElementsAre());
}

TEST_F(TransactionTest, AnotherExecutionsRecordIsTheOutcomeOfThisOne) {
  script_.commits.push_back(Recorded("theirs"));
  Handle(Begins(true));
  const TransactionAnswer answer = Commit("mine");
  EXPECT_EQ(HowOf(answer), How::kRecordedBefore);
  EXPECT_EQ(ValueOf(answer), "theirs");
}

TEST_F(TransactionTest, ACommitInDoubtThatHappenedIsFound) {
  script_.commits.push_back(absl::UnavailableError("cut"));
  script_.recorded.push_back(absl::UnavailableError("still away"));
  script_.recorded.push_back(std::optional(Recorded("1")));
  Handle(Begins(true));
  EXPECT_EQ(HowOf(Commit("1")), How::kCommitted);
  EXPECT_THAT(script_.log(), ElementsAre("begin", "commit with 1", "roll back", "look up", "look up"));
}

TEST_F(TransactionTest, ACommitInDoubtThatDidNotHappenIsRunAgainByTheCaller) {
  script_.commits.push_back(absl::UnavailableError("cut"));
  Handle(Begins(true));
  EXPECT_EQ(RestartOf(Commit("1")), "08006");
  EXPECT_THAT(script_.log(), ElementsAre("begin", "commit with 1", "roll back", "look up"));
}

TEST_F(TransactionTest, ADatabaseThatStaysAwayLeavesACommitUnanswered) {
  script_.commits.push_back(absl::UnavailableError("cut"));
  for (int n = 0; n < 100; ++n) script_.recorded.push_back(absl::UnavailableError("still away"));
  TransactionRequest begin = Begins(true);
  begin.begin->timeout = absl::Milliseconds(30);
  Handle(std::move(begin));
  EXPECT_EQ(ReasonOf(Commit("1")), Reason::kDatabaseUnavailable);
}

TEST_F(TransactionTest, OutsideOfAWorkflowACommitInDoubtStaysInDoubt) {
  script_.commits.push_back(absl::UnavailableError("cut"));
  Handle(Begins(false));
  EXPECT_EQ(ReasonOf(Commit("1")), Reason::kTransactionInDoubt);
}

TEST_F(TransactionTest, AConflictIsRunAgainByTheCallerAndLeavesNothingOpen) {
  SqlFailure conflict;
  conflict.sqlstate = "40001";
  script_.runs.push_back(SqlAnswer(conflict));
  Handle(Begins(true));
  EXPECT_EQ(RestartOf(Handle(Asks(Sql("a")))), "40001");
  EXPECT_FALSE(transaction_.open());
  script_.commits.push_back(Failing(Kind::kConflict, "40P01"));
  Handle(Begins(true));
  EXPECT_EQ(RestartOf(Commit("1")), "40P01");
  EXPECT_THAT(script_.log(), ElementsAre("begin", "run a", "roll back", "begin", "commit with 1"));
}

TEST_F(TransactionTest, AFailedStatementLeavesTheTransactionOpen) {
  SqlFailure failure;
  failure.sqlstate = "23505";
  script_.runs.push_back(SqlAnswer(failure));
  Handle(Begins(true));
  EXPECT_TRUE(std::holds_alternative<SqlFailure>(Handle(Asks(Sql("a")))));
  EXPECT_TRUE(transaction_.open());
}

TEST_F(TransactionTest, ALostConnectionBeforeTheCommitIsRunAgain) {
  script_.runs.push_back(absl::AbortedError("cut"));
  Handle(Begins(true));
  EXPECT_EQ(RestartOf(Handle(Asks(Sql("a")))), "08006");
  EXPECT_FALSE(transaction_.open());
}

TEST_F(TransactionTest, ACommitThatWasNeverSentIsNotInDoubt) {
  for (const bool in_workflow : {true, false}) {
    script_.commits.push_back(absl::AbortedError("cut"));
    Handle(Begins(in_workflow));
    EXPECT_EQ(RestartOf(Commit("1")), "08006");
    EXPECT_FALSE(transaction_.open());
  }
  EXPECT_THAT(script_.log(), ElementsAre("begin", "commit with 1", "begin", "commit"));
}

TEST_F(TransactionTest, AStatementAloneThatWasNeverSentIsSentAgainWhileThereIsTime) {
  script_.commits.push_back(absl::AbortedError("cut"));
  TransactionRequest request = Begins(false);
  request.command = ExecuteRequest{Sql("a"), 0};
  EXPECT_EQ(HowOf(Handle(std::move(request))), How::kCommitted);
  for (int n = 0; n < 1000; ++n) script_.commits.push_back(absl::AbortedError("cut"));
  request = Begins(false);
  request.begin->timeout = absl::Milliseconds(30);
  request.command = ExecuteRequest{Sql("a"), 0};
  EXPECT_EQ(ReasonOf(Handle(std::move(request))), Reason::kDatabaseUnavailable);
}

TEST_F(TransactionTest, AFaultRollsBackAndEnds) {
  script_.runs.push_back(absl::DeadlineExceededError("too long"));
  script_.runs.push_back(absl::InvalidArgumentError("parameter x"));
  Handle(Begins(true));
  EXPECT_EQ(ReasonOf(Handle(Asks(Sql("a")))), Reason::kTransactionTimeout);
  EXPECT_FALSE(transaction_.open());
  Handle(Begins(true));
  EXPECT_EQ(ReasonOf(Handle(Asks(Sql("a")))), Reason::kInvalidRequest);
  EXPECT_EQ(ReasonOf(Commit("1")), Reason::kInvalidRequest);  // and not a success
  EXPECT_THAT(script_.log(), ElementsAre("begin", "run a", "roll back", "begin", "run a", "roll back"));
}

TEST_F(TransactionTest, AReadOnlyTransactionIsRecordedByTheEngineAfterIt) {
  TransactionRequest begin = Begins(true);
  begin.begin->mode.read_only = true;
  Handle(std::move(begin));
  EXPECT_EQ(HowOf(Commit("1")), How::kCommitted);
  EXPECT_THAT(script_.log(), ElementsAre("begin read only", "commit", "engine records 1"));
}

TEST_F(TransactionTest, AFailureIsRecordedWhereTheRecordDecides) {
  Handle(Begins(true));
  TransactionAnswer answer = Handle(Asks(RollBackRequest{Payload{"{}"}, 0}));
  EXPECT_EQ(HowOf(answer), How::kRolledBack);
  EXPECT_THAT(script_.log(), ElementsAre("begin", "roll back", "engine records failure {}"));
  script_.same_database = false;
  Handle(Begins(true));
  script_.commits.push_back(Recorded("theirs"));
  answer = Handle(Asks(RollBackRequest{Payload{"{}"}, 0}));
  EXPECT_EQ(HowOf(answer), How::kRecordedBefore);
  EXPECT_EQ(ValueOf(answer), "theirs");
}

// It was recorded by a try whose answer was lost, and this one has met its effects.
TEST_F(TransactionTest, AnOutcomeThatTheSystemDatabaseHasStandsAgainstALaterFailure) {
  script_.record.before = Outcome{Outcome::Kind::kValue, {"first"}};
  Handle(Begins(true));
  TransactionAnswer answer = Handle(Asks(RollBackRequest{Payload{"{}"}, 0}));
  EXPECT_EQ(HowOf(answer), How::kRecordedBefore);
  EXPECT_EQ(ValueOf(answer), "first");
  TransactionRequest begin = Begins(true);
  begin.begin->mode.read_only = true;
  Handle(std::move(begin));
  EXPECT_EQ(ValueOf(Commit("second")), "first");
}

TEST_F(TransactionTest, AStatementAloneIsRunAgainHereUntilItsTimeIsOver) {
  script_.commits.push_back(Failing(Kind::kConflict, "40001"));
  script_.commits.push_back(Failing(Kind::kConflict, "40001"));
  TransactionRequest request = Begins(true);
  request.command = ExecuteRequest{Sql("a"), 0};
  const TransactionAnswer answer = Handle(std::move(request));
  EXPECT_EQ(HowOf(answer), How::kCommitted);
  EXPECT_EQ(ValueOf(answer), "rows");
  for (int n = 0; n < 1000; ++n) script_.commits.push_back(Failing(Kind::kConflict, "40001"));
  request = Begins(true);
  request.begin->timeout = absl::Milliseconds(30);
  request.command = ExecuteRequest{Sql("a"), 0};
  EXPECT_EQ(ReasonOf(Handle(std::move(request))), Reason::kTransactionTimeout);
}

TEST_F(TransactionTest, AStatementAloneThatFailsIsRecordedAsTheFailureOfItsStep) {
  script_.commits.push_back(Failing(Kind::kFailed, "23505"));
  TransactionRequest request = Begins(true);
  request.command = ExecuteRequest{Sql("a"), 0};
  const TransactionAnswer answer = Handle(std::move(request));
  EXPECT_EQ(HowOf(answer), How::kRolledBack);
  EXPECT_THAT(ValueOf(answer), HasSubstr("23505"));
  request = Begins(false);
  request.command = ExecuteRequest{Sql("a"), 0};
  script_.commits.push_back(Failing(Kind::kFailed, "23505"));
  EXPECT_TRUE(std::holds_alternative<SqlFailure>(Handle(std::move(request))));
}

TEST_F(TransactionTest, NothingIsTakenWithoutABegin) {
  EXPECT_EQ(ReasonOf(Handle(Asks(Sql("a")))), Reason::kInvalidRequest);
  EXPECT_THAT(script_.log(), ElementsAre());
}

}  // namespace
}  // namespace dbos::sidecar
