// Transactions and their records, on every database: in the system database, and in one of its own.
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"

#include "sidecar/store/open_transactions.h"
#include "tests/sidecar/store/store_fixture.h"

namespace dbos::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = CommitVerdict::Kind;

const ExecutionRef kExecution = {"order-1", "token-1"};
const TransactionStep kStep = {kExecution, 0, "pay", 1000};
constexpr char kInsert[] = "INSERT INTO ledger(id, amount) VALUES (:id, :amount)";

SqlCommand Insert(int id, const std::string& sql = kInsert) {
  SqlCommand command;
  command.sql = sql;
  command.parameters.push_back({"id", {SqlValue::Type::kInteger, std::to_string(id), {}}});
  command.parameters.push_back({"amount", {SqlValue::Type::kInteger, "100", {}}});
  return command;
}

StepRecord Record(const std::string& value) {
  StepRecord record;
  record.step_id = kStep.step_id;
  record.name = kStep.name;
  record.started_at_ms = 1000;
  record.completed_at_ms = 1001;
  record.outcome = Outcome{Outcome::Kind::kValue, {value}};
  return record;
}

class TransactionsTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    Begin("order-1", "token-1");
    application().Run("CREATE TABLE ledger (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)");
    storage_ = OpenOne();
    ASSERT_NE(storage_, nullptr);
  }

  virtual TestDatabase& application() { return *database_; }

  std::unique_ptr<TransactionStorage> OpenOne() {
    absl::StatusOr<std::unique_ptr<TransactionStorage>> storage = transactions().open();
    EXPECT_TRUE(storage.ok()) << storage.status();
    return storage.ok() ? *std::move(storage) : nullptr;
  }
  ApplicationTransactions& transactions() {
    if (!transactions_) transactions_ = OpenTransactions(database_->Open(), application().Open(), {"executor", "shop"});
    return *transactions_;
  }

  void BeginTransaction() { storage_->Begin({}, absl::Now() + absl::Seconds(20)); }
  CommitVerdict InsertAndCommit(int id, const std::optional<TransactionStep>& step, const std::string& value) {
    BeginTransaction();
    const absl::StatusOr<SqlAnswer> answer = storage_->Run(Insert(id));
    EXPECT_TRUE(answer.ok()) << answer.status();
    absl::StatusOr<CommitVerdict> verdict = storage_->Commit(step, Record(value));
    EXPECT_TRUE(verdict.ok()) << verdict.status();
    return verdict.ok() ? *std::move(verdict) : CommitVerdict{Kind::kFailed};
  }
  CommitVerdict Execute(int id, const std::optional<TransactionStep>& step, const std::string& sql = kInsert) {
    BeginTransaction();
    absl::StatusOr<CommitVerdict> verdict = storage_->Execute(Insert(id, sql), step, 1001);
    EXPECT_TRUE(verdict.ok()) << verdict.status();
    return verdict.ok() ? *std::move(verdict) : CommitVerdict{Kind::kFailed};
  }
  std::vector<std::string> Ledger() { return application().Query("SELECT id FROM ledger ORDER BY id"); }

  std::unique_ptr<TransactionStorage> storage_;

 private:
  std::optional<ApplicationTransactions> transactions_;
};

TEST_P(TransactionsTest, TheStepIsRecordedInTheCommit) {
  EXPECT_TRUE(storage_->same_database());
  EXPECT_EQ(InsertAndCommit(1, kStep, "7").kind, Kind::kCommitted);
  EXPECT_THAT(Ledger(), ElementsAre("1"));
  EXPECT_THAT(database_->Query("SELECT workflow_uuid, function_id, function_name, output, error, started_at_epoch_ms,"
                               " completed_at_epoch_ms, serialization, application_name, child_workflow_id FROM " +
                               database_->Table("operation_outputs")),
              ElementsAre("order-1,0,pay,7,-,1000,1001,portable_json,shop,-"));
}

TEST_P(TransactionsTest, AStepThatIsRecordedTakesNothingMore) {
  InsertAndCommit(1, kStep, "7");
  const CommitVerdict again = InsertAndCommit(2, kStep, "8");
  EXPECT_EQ(again.kind, Kind::kRecordedBefore);
  EXPECT_EQ(again.recorded.outcome->payload.data, "7");
  const CommitVerdict alone = Execute(3, kStep);
  EXPECT_EQ(alone.kind, Kind::kRecordedBefore);
  EXPECT_EQ(alone.recorded.outcome->payload.data, "7");
  EXPECT_THAT(Ledger(), ElementsAre("1"));
}

TEST_P(TransactionsTest, WhatIsDeferredIsCommittedWithTheRecordOrNotAtAll) {
  const std::vector<SqlCommand> both = {Insert(1), Insert(2)};
  BeginTransaction();
  ASSERT_TRUE(storage_->Defer(both).ok());
  ASSERT_TRUE(storage_->Defer(both).ok()) << "by the second half, which makes no difference";
  absl::StatusOr<CommitVerdict> verdict = storage_->Commit(kStep, Record("7"));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->kind, Kind::kCommitted);
  EXPECT_THAT(Ledger(), ElementsAre("1", "2"));
  const std::vector<SqlCommand> third = {Insert(3)};
  BeginTransaction();
  ASSERT_TRUE(storage_->Defer(third).ok());
  verdict = storage_->Commit(kStep, Record("8"));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->kind, Kind::kRecordedBefore);
  EXPECT_EQ(verdict->recorded.outcome->payload.data, "7");
  EXPECT_THAT(Ledger(), ElementsAre("1", "2"));
}

// However much it looks like what the step's record says of an execution that lost its workflow.
TEST_P(TransactionsTest, TheFailureOfADeferredStatementIsTheUsers) {
  const std::string insert = "INSERT INTO " + database_->Table("operation_outputs") +
                             " (workflow_uuid, function_id, function_name) VALUES (NULL, :id, CAST(:amount AS TEXT))";
  const std::vector<SqlCommand> deferred = {Insert(1), Insert(2, insert)};
  BeginTransaction();
  ASSERT_TRUE(storage_->Defer(deferred).ok());
  const absl::StatusOr<CommitVerdict> verdict = storage_->Commit(kStep, Record("7"));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->kind, Kind::kFailed);
  EXPECT_EQ(verdict->failure.sqlstate, "23502");
  EXPECT_EQ(verdict->failure.deferred, 2U);
  EXPECT_THAT(Ledger(), IsEmpty());
}

TEST_P(TransactionsTest, ADeferredStatementThatIsNotAsItMustBeIsRefusedAndNoneIsKept) {
  SqlCommand bad = Insert(2);
  bad.parameters.pop_back();
  const std::vector<SqlCommand> commands = {Insert(1), bad};
  BeginTransaction();
  const absl::Status refused = storage_->Defer(commands);
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("deferred statement 2: "));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("amount"));
  const absl::StatusOr<CommitVerdict> verdict = storage_->Commit(kStep, Record("7"));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_THAT(Ledger(), IsEmpty());
}

TEST_P(TransactionsTest, AStepOfAnotherNameIsAMismatch) {
  InsertAndCommit(1, kStep, "7");
  TransactionStep other = kStep;
  other.name = "refund";
  const CommitVerdict verdict = InsertAndCommit(2, other, "8");
  EXPECT_EQ(verdict.kind, Kind::kRefused);
  EXPECT_EQ(verdict.error.reason, Reason::kStepMismatch);
  EXPECT_THAT(Ledger(), ElementsAre("1"));
}

TEST_P(TransactionsTest, AnExecutionThatLostItsWorkflowCommitsNothing) {
  TransactionStep stale = kStep;
  stale.execution.owner_token = "older";
  for (const CommitVerdict& verdict : {InsertAndCommit(1, stale, "7"), Execute(2, stale)}) {
    EXPECT_EQ(verdict.kind, Kind::kRefused);
    EXPECT_EQ(verdict.error.reason, Reason::kFenced);
  }
  database_->Run("UPDATE " + database_->Table("workflow_status") + " SET status = 'CANCELLED'");
  for (const CommitVerdict& verdict : {InsertAndCommit(1, kStep, "7"), Execute(2, kStep)}) {
    EXPECT_EQ(verdict.kind, Kind::kRefused);
    EXPECT_EQ(verdict.error.reason, Reason::kWorkflowCancelled);
  }
  stale.execution.workflow_id = "none";
  EXPECT_EQ(InsertAndCommit(1, stale, "7").error.reason, Reason::kWorkflowNotFound);
  EXPECT_THAT(Ledger(), IsEmpty());
  EXPECT_THAT(database_->Query("SELECT * FROM " + database_->Table("operation_outputs")), IsEmpty());
}

TEST_P(TransactionsTest, AStatementAloneIsRecordedWithItsRows) {
  const CommitVerdict verdict = Execute(1, kStep, std::string(kInsert) + " RETURNING id, amount * 2 AS twice");
  ASSERT_EQ(verdict.kind, Kind::kCommitted);
  const std::string& outcome = verdict.recorded.outcome->payload.data;
  EXPECT_THAT(outcome, HasSubstr(R"(["1", "200"])"));
  EXPECT_THAT(outcome, HasSubstr(R"("name": "twice")"));
  EXPECT_THAT(outcome, HasSubstr(R"("affected": 1)"));
  EXPECT_THAT(Ledger(), ElementsAre("1"));
  const std::optional<CommitVerdict> recorded = storage_->Recorded(kStep).value();
  ASSERT_TRUE(recorded);
  EXPECT_EQ(recorded->recorded.outcome->payload.data, outcome);
}

TEST_P(TransactionsTest, AStatementAloneThatFailsWritesNothing) {
  Execute(1, std::nullopt);
  const CommitVerdict verdict = Execute(1, kStep);
  EXPECT_EQ(verdict.kind, Kind::kFailed);
  EXPECT_EQ(verdict.failure.sqlstate, "23505");
  EXPECT_EQ(verdict.failure.table, "ledger");
  EXPECT_FALSE(storage_->Recorded(kStep).value());
  EXPECT_EQ(Execute(2, kStep).kind, Kind::kCommitted);
  EXPECT_THAT(Ledger(), ElementsAre("1", "2"));
}

TEST_P(TransactionsTest, OutsideOfAWorkflowNothingIsRecorded) {
  EXPECT_EQ(InsertAndCommit(1, std::nullopt, "7").kind, Kind::kCommitted);
  EXPECT_THAT(Execute(2, std::nullopt).recorded.outcome->payload.data, HasSubstr(R"("affected": 1)"));
  EXPECT_THAT(Ledger(), ElementsAre("1", "2"));
  EXPECT_THAT(database_->Query("SELECT * FROM " + database_->Table("operation_outputs")), IsEmpty());
}

TEST_P(TransactionsTest, AFailedStatementIsNeverACommit) {
  BeginTransaction();
  ASSERT_TRUE(storage_->Run(Insert(1)).ok());
  const absl::StatusOr<SqlAnswer> twice = storage_->Run(Insert(1));
  ASSERT_TRUE(twice.ok()) << twice.status();
  EXPECT_EQ(std::get<SqlFailure>(*twice).sqlstate, "23505");
  const absl::StatusOr<CommitVerdict> verdict = storage_->Commit(kStep, Record("7"));
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_EQ(verdict->kind, Kind::kFailed);
  EXPECT_EQ(verdict->failure.sqlstate, "25P02");
  EXPECT_THAT(Ledger(), IsEmpty());
}

INSTANTIATE_OVER_DATABASES(TransactionsTest);

// The application database is another one.
class OwnDatabaseTest : public TransactionsTest {
 protected:
  TestDatabase& application() override { return *application_; }
  std::vector<std::string> Outputs() {
    return application_->Query(
        "SELECT workflow_uuid, function_id, function_name, output, error, txn_id, txn_snapshot,"
        " executor_id FROM " +
        application_->Table("transaction_outputs") + " ORDER BY workflow_uuid, function_id");
  }

  const std::unique_ptr<TestDatabase> application_ = TestDatabase::Create(GetParam());
};

TEST_P(OwnDatabaseTest, ItsOwnRecordDecides) {
  EXPECT_FALSE(storage_->same_database());
  EXPECT_EQ(InsertAndCommit(1, kStep, "7").kind, Kind::kCommitted);
  EXPECT_THAT(Outputs(), ElementsAre("order-1,0,pay,7,-,,,-"));
  const CommitVerdict again = InsertAndCommit(2, kStep, "8");
  EXPECT_EQ(again.kind, Kind::kRecordedBefore);
  EXPECT_EQ(again.recorded.outcome->payload.data, "7");
  TransactionStep next = kStep;
  next.step_id = 1;
  EXPECT_EQ(Execute(3, next).kind, Kind::kCommitted);
  EXPECT_THAT(storage_->Recorded(next).value()->recorded.outcome->payload.data, HasSubstr("affected"));
  EXPECT_THAT(Ledger(), ElementsAre("1", "3"));
  EXPECT_THAT(database_->Query("SELECT * FROM " + database_->Table("operation_outputs")), IsEmpty());
}

TEST_P(OwnDatabaseTest, ATableThatIsThereIsKept) {
  InsertAndCommit(1, kStep, "7");
  const auto other = OpenTransactions(database_->Open(), application_->Open(), {"executor", "shop"}).open();
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_TRUE((*other)->Recorded(kStep).value());
}

TEST_P(OwnDatabaseTest, ADatabaseThatCannotBeUsedIsKnownBeforeTheFirstTransaction) {
  const absl::StatusOr<Database> missing = OpenDatabase(
      GetParam() == DatabaseKind::kSqlite ? "sqlite:///nowhere/at/all.db" : "postgresql://127.0.0.1:1/none", "dbos");
  ASSERT_TRUE(missing.ok()) << missing.status();
  EXPECT_FALSE(OpenTransactions(database_->Open(), *missing, {"executor", "shop"}).sweep().ok());
}

TEST_P(OwnDatabaseTest, RecordsOfWorkflowsThatAreGoneAreSwept) {
  for (const char* id : {"order-1", "gone", "young"}) {
    TransactionStep step = kStep;
    step.execution.workflow_id = id;
    InsertAndCommit(id[0], step, "7");
  }
  application_->Run("UPDATE " + application_->Table("transaction_outputs") +
                    " SET created_at = created_at - 3600000 WHERE workflow_uuid <> 'young'");
  const absl::Status swept = transactions().sweep();
  EXPECT_TRUE(swept.ok()) << swept;
  EXPECT_THAT(application_->Query("SELECT workflow_uuid FROM " + application_->Table("transaction_outputs") +
                                  " ORDER BY workflow_uuid"),
              ElementsAre("order-1", "young"));
}

INSTANTIATE_OVER_DATABASES(OwnDatabaseTest);

}  // namespace
}  // namespace dbos::sidecar
