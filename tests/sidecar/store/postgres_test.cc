// What only PostgreSQL can show: round trips, plans, and connections that break around a COMMIT.

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "sidecar/store/all_queries.h"
#include "tests/sidecar/store/store_fixture.h"
#include "tests/testing/proxy/pg_proxy.h"

namespace dbos::sidecar {
namespace {

using dbos::testing::Fault;
using dbos::testing::PgProxy;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class PostgresTest : public StoreTest {
 protected:
  // A writer whose connection goes through a proxy.
  void SetUp() override {
    const std::string path = database_->Query("SHOW unix_socket_directories")[0];
    const std::string port = database_->Query("SHOW port")[0];
    auto proxy = PgProxy::Start({.upstream = absl::StrCat(path.substr(0, path.find(',')), "/.s.PGSQL.", port),
                                 .listen = absl::StrCat(directory_, "/.s.PGSQL.5432")});
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    const std::string user = database_->Query("SELECT current_user")[0];
    const std::string name = database_->Query("SELECT current_database()")[0];
    writer_ = (*OpenStorage({proxy_->Url(user, name), "dbos", kExecutor, kApplication}))(StorageRole::kWriter);
  }
  void TearDown() override {
    writer_.reset();
    proxy_.reset();
    std::filesystem::remove_all(directory_);
  }

  // Commits while this fault meets the COMMIT, then commits the same batch again.
  void CommitThrough(Fault fault, Batch& batch) {
    proxy_->Arm({.fault = fault});
    const absl::Status lost = writer_->Commit(batch);
    EXPECT_TRUE(absl::IsUnavailable(lost)) << lost;
    WaitUntilOthersAreGone(lost);
    Commit(batch);
  }
  // What the server makes of a lost connection is settled once its session is gone.
  void WaitUntilOthersAreGone(const absl::Status& status) {
    if (status.ok()) return;
    proxy_->Disarm();
    database_->Run(
        "DO $$ BEGIN WHILE EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()) LOOP PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); "
        "END LOOP; END $$");
  }

  std::string directory_ = [] {
    std::string path = (std::filesystem::temp_directory_path() / "store-XXXXXX").string();
    return std::string(mkdtemp(path.data()));
  }();
  std::unique_ptr<PgProxy> proxy_;
};

TEST_P(PostgresTest, BatchIsOneRoundTripAndOneCommitHoweverMuchItHolds) {
  const ExecutionRef first = Begin("first");
  CommitOne(&Batch::steps, Step(first, 0, "s", "1"));
  CommitOne(&Batch::completions, Completion(first, "1"));
  std::vector<ExecutionRef> executions;
  for (int n = 0; n < 20; ++n) executions.push_back(Begin(absl::StrCat("w", n)));
  proxy_->ResetCounts();
  CommitOne(&Batch::steps, Step(executions[0], 0, "s", "1"));
  EXPECT_EQ(proxy_->counts().syncs, 1);
  Batch batch;
  for (int n = 0; n < 20; ++n) batch.starts.push_back(Start(absl::StrCat("x", n), absl::StrCat("token-", n)));
  for (const ExecutionRef& execution : executions) batch.steps.push_back(Step(execution, 1, "s", "1"));
  for (const ExecutionRef& execution : executions) batch.completions.push_back(Completion(execution, "1"));
  proxy_->ResetCounts();
  Commit(batch);
  EXPECT_EQ(proxy_->counts().syncs, 1);
  EXPECT_EQ(proxy_->counts().commits, 1);
  for (const CompletionOp& op : batch.completions) EXPECT_TRUE(op.error.ok());
}

TEST_P(PostgresTest, LostCommitOfAStartWithAChildsRecordIsFoundOut) {
  for (const Fault fault : {Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer}) {
    const std::string id = absl::StrCat("parent-", static_cast<int>(fault));
    const ExecutionRef parent = Begin(id);
    Batch batch;
    batch.starts = {Start(id + "-new", id + "-token"), Child(id + "-0", parent, 0)};
    CommitThrough(fault, batch);
    for (const StartOp& op : batch.starts) EXPECT_TRUE(op.error.ok() && op.created) << op.error.message;
    EXPECT_EQ(Row(id + "-new"), absl::StrCat("PENDING,", id, "-token,1"));
    EXPECT_EQ(StepRows(id).size(), 1);
  }
}

TEST_P(PostgresTest, LostCommitOfTheLastStepAndTheOutcomeIsFoundOut) {
  for (const Fault fault : {Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer}) {
    const std::string id = absl::StrCat("order-", static_cast<int>(fault));
    const ExecutionRef execution = Begin(id);
    Batch batch;
    batch.steps.push_back(Step(execution, 0, "reserve", "1"));
    batch.completions.push_back(Completion(execution, "7"));
    batch.completions[0].after_step_id = 0;
    batch.completions[0].after_completed_at_ms = 2001;
    CommitThrough(fault, batch);
    EXPECT_TRUE(batch.steps[0].error.ok()) << batch.steps[0].error.message;
    EXPECT_TRUE(batch.completions[0].error.ok()) << batch.completions[0].error.message;
    EXPECT_EQ(batch.completions[0].status, WorkflowStatus::kSuccess);
    EXPECT_EQ(Row(id), "SUCCESS,-,1");
    EXPECT_THAT(OutcomeRows(id), ElementsAre("7,-"));
  }
}

TEST_P(PostgresTest, LostCommitOfAClaimATakeOverAndAHandBackCountsNothingTwice) {
  for (const Fault fault : {Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer}) {
    const std::string id = absl::StrCat(static_cast<int>(fault));
    CommitOne(&Batch::starts, Enqueued("claim-" + id));
    const ExecutionRef taken = Begin("take-" + id);
    const ExecutionRef handed = Begin("hand-" + id);
    Batch batch;
    batch.claims.resize(1);
    batch.claims[0].workflow_ids = {"claim-" + id};
    batch.claims[0].owner_token = "claim-token-" + id;
    batch.take_overs = {TakeOver(taken, "token-2")};
    batch.hand_backs = {HandBack(handed, false)};
    CommitThrough(fault, batch);
    EXPECT_EQ(batch.claims[0].claimed.size(), 1);
    EXPECT_TRUE(batch.take_overs[0].taken);
    EXPECT_TRUE(batch.hand_backs[0].handed_back);
    EXPECT_EQ(Row("claim-" + id), absl::StrCat("PENDING,claim-token-", id, ",1"));
    EXPECT_EQ(Row("take-" + id), "PENDING,token-2,2");
    EXPECT_EQ(Row("hand-" + id), "ENQUEUED,-,0");
  }
}

// Two batches, of which the second is on its way before the first one's commit is known.
class TwoBatchesTest : public PostgresTest {
 protected:
  void Fill(const std::string& id) {
    first_ = Batch();
    second_ = Batch();
    for (int n = 0; n < 8; ++n) {
      first_.starts.push_back(Start(absl::StrCat(id, n), absl::StrCat("token-", id, n)));
      const ExecutionRef execution = Begin(absl::StrCat("before-", id, n));
      second_.steps.push_back(Step(execution, 0, "reserve", "1"));
      second_.completions.push_back(Completion(execution, "7"));
    }
  }
  void CommitBoth(const std::function<void()>& when_both_are_under_way) {
    int sent = 0;
    const auto at_commit = [&] {
      ++sent;
      writer_->Send(second_);
      when_both_are_under_way();
    };
    const absl::Status status = writer_->Commit(first_, {.at_commit = at_commit});
    EXPECT_EQ(sent, 1);
    CommitAgain(status, first_);
    CommitAgain(writer_->Commit(second_), second_);
  }
  void CommitAgain(const absl::Status& status, Batch& batch) {
    EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
    WaitUntilOthersAreGone(status);
    if (!status.ok()) Commit(batch);
  }
  void ExpectEachOnce() {
    for (const StartOp& op : first_.starts) {
      EXPECT_TRUE(op.error.ok() && op.created) << op.error.message;
      EXPECT_EQ(Row(op.workflow_id), absl::StrCat("PENDING,token-", op.workflow_id, ",1"));
      EXPECT_EQ(Row("before-" + op.workflow_id), "SUCCESS,-,1");
      EXPECT_THAT(StepRows("before-" + op.workflow_id), ElementsAre("0,reserve,1,-,2001"));
    }
    for (const StepOp& op : second_.steps) EXPECT_TRUE(op.error.ok()) << op.error.message;
    for (const CompletionOp& op : second_.completions) EXPECT_TRUE(op.error.ok()) << op.error.message;
  }

  Batch first_;
  Batch second_;
};

TEST_P(TwoBatchesTest, TheFirstOnesResultsComeBeforeItsCommit) {
  Fill("w");
  proxy_->Arm({.fault = Fault::kStallBefore});
  CommitBoth([&] {
    EXPECT_TRUE(proxy_->WaitForFaults(1, absl::Seconds(10))) << "its commit is held up";
    EXPECT_EQ(Row("w0"), "");
    proxy_->Resume();
  });
  ExpectEachOnce();
  EXPECT_EQ(proxy_->counts().connections, 1);
}

TEST_P(TwoBatchesTest, AConnectionThatIsLostBeforeTheFirstCommitIsFoundOut) {
  Fill("w");
  proxy_->Arm({.fault = Fault::kStallBefore});
  CommitBoth([&] {
    EXPECT_TRUE(proxy_->WaitForFaults(1, absl::Seconds(10)));
    proxy_->DropAll();
  });
  ExpectEachOnce();
}

TEST_P(TwoBatchesTest, AConnectionThatIsLostAtAnyMomentIsFoundOut) {
  for (int n = 0; n < 20; ++n) {
    Fill(absl::StrCat("w", n, "-"));
    CommitBoth([&] {
      proxy_->DropAll();
      WaitUntilOthersAreGone(absl::UnavailableError("dropped"));  // or it would meet the next connection
    });
    Batch next;  // the first to notice, when both had their answers before
    next.starts.push_back(Start(absl::StrCat("next-", n), absl::StrCat("token-next-", n)));
    CommitAgain(writer_->Commit(next), next);
    ExpectEachOnce();
  }
}

TEST_P(TwoBatchesTest, ALostCommitOfTheSecondIsFoundOut) {
  for (const Fault fault : {Fault::kDropBefore, Fault::kDropDuring, Fault::kSwallowAnswer}) {
    Fill(absl::StrCat("w", static_cast<int>(fault), "-"));
    proxy_->Arm({.fault = fault, .mentions = "INSERT INTO \"dbos\".workflow_output"});
    CommitBoth([] {});
    EXPECT_TRUE(proxy_->WaitForFaults(1, absl::ZeroDuration()));
    ExpectEachOnce();
    proxy_->ResetCounts();
  }
}

INSTANTIATE_TEST_SUITE_P(OnlyPostgres, TwoBatchesTest,
                         ::testing::Values(DatabaseKind::kPostgres, DatabaseKind::kPostgres18), DatabaseKindName);

// Commits the batch while another session is about to take the workflows over: it has to wait for that session.
void CommitWhileReplaced(TestDatabase& database, const std::function<void()>& commit) {
  database.Run("BEGIN; UPDATE dbos.workflow_status SET owner_xid = 'token-2'");
  std::thread committer(commit);
  database.Run(
      "DO $$ BEGIN WHILE NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
      "datname = current_database()) LOOP PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); "
      "END LOOP; END $$");
  database.Run("COMMIT");
  committer.join();
}

TEST_P(PostgresTest, ExecutionThatIsBeingReplacedWaitsAndWritesNothing) {
  const ExecutionRef execution = Begin("order-1");
  Batch batch;
  batch.steps.push_back(Step(execution, 0, "reserve", "1"));
  batch.completions.push_back(Completion(execution, "7"));
  CommitWhileReplaced(*database_, [&] { Commit(batch); });
  EXPECT_EQ(batch.steps[0].error.reason, Reason::kFenced);
  EXPECT_EQ(batch.completions[0].error.reason, Reason::kFenced);
  EXPECT_THAT(StepRows("order-1"), IsEmpty());
  EXPECT_THAT(OutcomeRows("order-1"), IsEmpty());
  EXPECT_EQ(Row("order-1"), "PENDING,token-2,1");
}

TEST_P(PostgresTest, AnOutcomeAloneOfAnExecutionThatIsBeingReplacedWaitsAndWritesNothing) {
  Batch batch;
  batch.completions.push_back(Completion(Begin("order-1"), "7"));
  CommitWhileReplaced(*database_, [&] { Commit(batch); });
  EXPECT_EQ(batch.completions[0].error.reason, Reason::kFenced);
  EXPECT_THAT(OutcomeRows("order-1"), IsEmpty());
  EXPECT_EQ(Row("order-1"), "PENDING,token-2,1");
}

// The statements of the writer, which run at every commit.
bool IsHot(const std::string& name) {
  for (const char* hot :
       {"fence", "adopt", "insert_workflow", "insert_input", "insert_child_step", "insert_step", "write_outcome",
        "complete", "claim", "take_over", "hand_back", "dead_letter", "cancel", "recover"}) {
    if (name == hot) return true;
  }
  return false;
}

// Prepares the query over arrays and over one row, by running it, and returns the generic plans of both:
// EXPLAIN EXECUTE name(NULL, ...) shows them.
std::vector<std::string> PlansOf(const Query& query, Connection& connection) {
  const std::vector<Value> args = AnyValues(query.args);
  const std::vector<Value> row = AnyValues(query.rows);
  Statement over_one_row(query, args);
  over_one_row.AddRow(row);
  EXPECT_TRUE(connection.Execute(Statement(query, args)).ok());
  EXPECT_TRUE(connection.Execute(over_one_row).ok());
  const std::string arguments = absl::StrJoin(std::vector<std::string>(args.size() + row.size(), "NULL"), ", ");
  std::vector<std::string> plans;
  for (const char* suffix : {"", "_one"}) {
    const auto plan = connection.RunScript(absl::StrCat("EXPLAIN EXECUTE ", query.name, suffix, "(", arguments, ")"));
    EXPECT_TRUE(plan.ok()) << query.name << suffix << ": " << plan.status();
    plans.emplace_back();
    for (std::size_t n = 0; plan.ok() && n < plan->size(); ++n)
      absl::StrAppend(&plans.back(), (*plan)[n].Text(0), "\n");
  }
  return plans;
}

// Statistics of an empty table, or of a few rows, and then many rows: what misleads the planner.
TEST_P(PostgresTest, HotStatementsLookUpEveryRowByItsKey) {
  for (const int rows_when_analyzed : {0, 3}) {
    database_->Run(absl::StrCat(
        "INSERT INTO dbos.workflow_status (workflow_uuid, status) SELECT 'w' || n, 'PENDING' FROM generate_series(1, ",
        rows_when_analyzed, ") AS n; ANALYZE dbos.workflow_status, dbos.operation_outputs"));
    const auto connection = database_->Open().connect(ConnectionRole::kWriter);
    int seen = 0;
    for (const Query* query : AllQueries()) {
      if (!IsHot(query->name)) continue;
      ++seen;
      for (const std::string& plan : PlansOf(*query, *connection)) {
        EXPECT_THAT(plan, HasSubstr("Bitmap Index Scan on")) << query->name;
        for (const char* slow : {"Seq Scan", "Index Scan using", "Index Only Scan", "Hash Join", "Merge Join"}) {
          EXPECT_THAT(plan, Not(HasSubstr(slow))) << query->name << " planned for " << rows_when_analyzed << " rows";
        }
      }
    }
    EXPECT_EQ(seen, 14);
  }
}

TEST_P(PostgresTest, NoStatementOfACommitWalksAllPendingWorkflows) {
  // Planned on empty tables, as after an installation, and then kept for good.
  const auto connection = database_->Open().connect(ConnectionRole::kWriter);
  for (const Query* query : AllQueries()) {
    if (!IsHot(query->name) || query->name == std::string("recover")) continue;
    for (const std::string& plan : PlansOf(*query, *connection)) {
      EXPECT_THAT(plan, Not(HasSubstr("idx_workflow_status_"))) << query->name;
      EXPECT_THAT(plan, Not(HasSubstr("idx_operation_outputs_"))) << query->name;
    }
  }
}

TEST_P(PostgresTest, PlansOfTheWriterArePinned) {
  const auto connection = database_->Open().connect(ConnectionRole::kWriter);
  for (const auto& [setting, value] :
       {std::pair("plan_cache_mode", "force_generic_plan"), std::pair("enable_hashjoin", "off"),
        std::pair("enable_mergejoin", "off"), std::pair("enable_seqscan", "off"), std::pair("enable_indexscan", "off"),
        std::pair("enable_indexonlyscan", "off"), std::pair("jit", "off")}) {
    EXPECT_EQ((*connection->RunScript(absl::StrCat("SHOW ", setting)))[0].Text(0), value) << setting;
  }
}

INSTANTIATE_TEST_SUITE_P(OnlyPostgres, PostgresTest,
                         ::testing::Values(DatabaseKind::kPostgres, DatabaseKind::kPostgres18), DatabaseKindName);

}  // namespace
}  // namespace dbos::sidecar
