// Claims, credit, replay pages and waiting.
#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

TEST(ClaimsTest, AStartNobodyCanRunIsEnqueuedAndRunsWhenAProcessComes) {
  Harness h;
  auto caller = std::make_shared<RecordingSink>();
  h.Start(kNoSession, caller, 1, "order-1");
  h.Settle();
  EXPECT_EQ(caller->started.at(1).status, WorkflowStatus::kEnqueued);
  auto app = h.Open(1);
  h.Settle();
  ASSERT_EQ(app->dispatched.size(), 1U);
  EXPECT_EQ(app->dispatched[0].input.data, "{\"positionalArgs\":[]}");
}

TEST(ClaimsTest, AProcessNeverHoldsMoreThanItsCredit) {
  Harness h;
  auto app = h.Open(1, 3);
  for (std::uint64_t i = 0; i < 10; ++i) h.Start(1, app, i + 1, "order-" + std::to_string(i));
  h.Settle();
  EXPECT_EQ(app->dispatched.size(), 3U);
  std::size_t done = 0;
  while (done < app->dispatched.size()) {
    h.Complete(1, app, 100 + done, app->dispatched[done].execution);
    ++done;
    h.Settle();
    EXPECT_LE(app->dispatched.size() - done, 3U);
  }
  EXPECT_EQ(done, 10U);
}

TEST(ClaimsTest, AwaitingAChildReturnsTheCredit) {
  Harness h;
  auto app = h.Open(1, 1);
  h.Start(1, app, 1, "parent");
  h.Settle();
  StartRequest child;
  child.name = "ship";
  child.parent = StartOp::Parent{app->dispatched[0].execution, 0, 1, 1};
  h.engine->StartWorkflow(1, app, 2, std::move(child));
  h.Settle();
  EXPECT_EQ(app->dispatched.size(), 1U);
  h.Await(1, app, 3, "parent-0", 0, app->dispatched[0].execution);
  h.Settle();
  ASSERT_EQ(app->dispatched.size(), 2U);
  h.Complete(1, app, 4, app->dispatched[1].execution, "42");
  h.Settle();
  EXPECT_EQ(app->awaited.at(3).outcome->payload.data, "42");
}

TEST(ClaimsTest, LongHistoriesArriveInPagesOnTheSameStream) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  for (std::int32_t i = 0; i < 25; ++i) {
    h.storage.rows.at("order-1").steps[i] = {i, "charge", Outcome{}, "", 1, 1};
  }
  h.storage.replay_page_steps = 10;
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  h.Settle();
  auto back = h.Open(1);
  ASSERT_EQ(back->dispatched.size(), 1U);
  EXPECT_FALSE(back->dispatched[0].replay_complete);
  ASSERT_EQ(back->pages.size(), 2U);
  EXPECT_FALSE(back->pages[0].last);
  EXPECT_TRUE(back->pages[1].last);
  EXPECT_EQ(back->pages[1].steps.back().step_id, 24);
}

TEST(ClaimsTest, NoFrameCarriesTwoLargeValues) {
  constexpr std::size_t kLarge = 4 << 20;
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.storage.rows.at("order-1").input.data.assign(kLarge, ' ');
  const Outcome large{Outcome::Kind::kValue, {std::string(kLarge, ' '), kPortableJson}};
  for (std::int32_t i = 0; i < 3; ++i) h.storage.rows.at("order-1").steps[i] = {i, "charge", large, "", 1, 1};
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  h.Settle();
  auto back = h.Open(1);
  ASSERT_EQ(back->dispatched.size(), 1U);
  EXPECT_TRUE(back->dispatched[0].replay.empty());
  EXPECT_FALSE(back->dispatched[0].replay_complete);
  ASSERT_EQ(back->pages.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(back->pages[i].steps.size(), 1U);
    EXPECT_EQ(back->pages[i].last, i == 2);
  }
}

TEST(ClaimsTest, AFullProcessDoesNotMakeTheSidecarAskForAnotherWithoutEnd) {
  Harness h;
  auto full = h.Open(1, 1);
  auto idle = h.Open(2, 1);
  h.Start(1, full, 1, "order-1");
  h.Settle();
  h.engine->SetCredit(2, 2);
  EXPECT_LT(h.SettleRounds(), 10);
  // When the full one has room again, it is asked for.
  auto stub = std::make_shared<RecordingSink>();
  for (std::uint64_t i = 2; i < 5; ++i) h.Start(kNoSession, stub, i, "order-" + std::to_string(i));
  h.Settle();
  EXPECT_EQ(idle->dispatched.size(), 2U);
  h.Complete(1, full, 2, full->dispatched[0].execution);
  h.Settle();
  EXPECT_EQ(full->dispatched.size(), 2U);
}

TEST(ClaimsTest, AStartRunsThoughAStrangersOperationForItCameMeanwhile) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  Batch batch = h.engine->TakeBatch();
  auto stub = std::make_shared<RecordingSink>();
  h.Step(kNoSession, stub, 1, {"order-1", "stranger"}, 0);
  ASSERT_TRUE(h.storage.Commit(batch).ok());
  h.engine->Committed(std::move(batch));
  h.Settle();
  EXPECT_EQ(app->dispatched.size(), 1U);
  EXPECT_EQ(stub->refused.count(1), 1U);
}

TEST(ClaimsTest, NewStartsDoNotOvertakeWhatWaitsForEver) {
  Harness h;
  auto app = h.Open(1, 1);
  h.Start(1, app, 1, "first");
  h.Settle();
  h.Start(1, app, 2, "0-waiting");
  h.Settle();
  EXPECT_EQ(app->started.at(2).status, WorkflowStatus::kEnqueued);
  // Whenever a workflow ends, the next one is started before the queue was looked into.
  for (std::uint64_t i = 0; i < 10; ++i) {
    h.Complete(1, app, 100 + i, app->dispatched.back().execution);
    h.Round();
    h.Start(1, app, 200 + i, "new-" + std::to_string(i));
    h.Settle();
  }
  EXPECT_EQ(h.storage.rows.at("0-waiting").row.status, WorkflowStatus::kSuccess);
  EXPECT_LE(h.storage.handed_back, 5) << "not for every start";
}

TEST(ClaimsTest, ClaimsOfAProcessThatRunsLessDoNotStarveWhatOnlyAnotherOneRuns) {
  Harness h;
  auto all = h.Open(2, 1);
  auto some = std::make_shared<RecordingSink>();
  h.OpenUnsettled(1, some, 2, {}, {"checkout"});
  h.Settle();
  auto stub = std::make_shared<RecordingSink>();
  for (std::uint64_t i = 0; i < 3; ++i) h.Start(kNoSession, stub, i, "first-" + std::to_string(i));
  h.Settle();
  h.Start(kNoSession, stub, 10, "0-waiting", "ship");
  for (std::uint64_t i = 0; i < 20; ++i) h.Start(kNoSession, stub, 20 + i, "order-" + std::to_string(i));
  h.Settle();
  // The first process always has one that lasts, so that the other one is the freer of the two.
  for (std::uint64_t i = 0; i < 8; ++i) {
    h.Complete(2, all, 100 + i, all->dispatched.back().execution);
    h.Complete(1, some, 100 + i, some->dispatched.back().execution);
    h.Settle();
  }
  EXPECT_EQ(h.storage.rows.at("0-waiting").row.status, WorkflowStatus::kSuccess);
}

TEST(ClaimsTest, NothingIsClaimedForAProcessWithoutRoomOnTheCreditOfOneThatDoesNotRunIt) {
  Harness h;
  auto stub = std::make_shared<RecordingSink>();
  for (std::uint64_t i = 0; i < 20; ++i) h.Start(kNoSession, stub, i, "order-" + std::to_string(i));
  h.Settle();
  auto small = std::make_shared<RecordingSink>();
  auto other = std::make_shared<RecordingSink>();
  h.OpenUnsettled(1, small, 2, {}, {"checkout"});
  h.OpenUnsettled(2, other, 100, {}, {"ship"});
  h.Settle();
  for (std::size_t done = 0; done < small->dispatched.size(); ++done) {
    EXPECT_LE(small->dispatched.size() - done, 2U);
    h.Complete(1, small, 100 + done, small->dispatched[done].execution);
    h.Settle();
  }
  EXPECT_EQ(small->dispatched.size(), 20U);
  EXPECT_EQ(h.storage.handed_back, 0);
}

TEST(ClaimsTest, OnlyTheLatestVersionTakesRowsWithoutAVersion) {
  Harness h;
  auto caller = std::make_shared<RecordingSink>();
  h.Start(kNoSession, caller, 1, "order-1");
  h.Settle();
  auto app = h.Open(1);
  EXPECT_EQ(app->dispatched.size(), 1U);
  StartRequest other;
  other.workflow_id = "other-version";
  other.name = "checkout";
  other.application_version = "v0";
  h.engine->StartWorkflow(1, app, 2, std::move(other));
  h.Settle();
  EXPECT_EQ(app->started.at(2).status, WorkflowStatus::kEnqueued);
  EXPECT_EQ(app->dispatched.size(), 1U);
}

TEST(ClaimsTest, AnAwaitOfARemoteWorkflowIsFoundByThePoll) {
  Harness h;
  auto caller = std::make_shared<RecordingSink>();
  h.Await(kNoSession, caller, 1, "elsewhere");
  h.Settle();
  EXPECT_TRUE(caller->awaited.empty());
  h.storage.rows["elsewhere"].row = {};
  h.storage.rows["elsewhere"].row.workflow_id = "elsewhere";
  h.storage.rows["elsewhere"].row.status = WorkflowStatus::kSuccess;
  h.storage.rows["elsewhere"].row.outcome = Outcome{Outcome::Kind::kValue, {"7", kPortableJson}};
  h.Advance(absl::Seconds(2));
  EXPECT_EQ(caller->awaited.at(1).outcome->payload.data, "7");
}

TEST(ClaimsTest, AnAwaitEndsAtItsTimeoutAndAnAbandonedOneSaysNothing) {
  Harness h;
  auto caller = std::make_shared<RecordingSink>();
  h.Await(kNoSession, caller, 1, "never", 1000);
  h.Await(kNoSession, caller, 2, "never", 1000);
  h.engine->AbandonAwait(caller, 2);
  h.Advance(absl::Milliseconds(500));
  EXPECT_TRUE(caller->awaited.empty());
  h.Advance(absl::Milliseconds(600));
  EXPECT_EQ(caller->awaited.at(1).status, WorkflowStatus::kUnknown);
  EXPECT_FALSE(caller->awaited.contains(2));
}

TEST(ClaimsTest, AWaitThatIsOverLeavesNoDeadlineBehind) {
  Harness h;
  auto caller = std::make_shared<RecordingSink>();
  h.Advance(absl::Seconds(1));  // the first probe is done
  const absl::Time idle = h.engine->NextWake();
  h.Await(kNoSession, caller, 1, "never", 1);
  h.Await(kNoSession, caller, 2, "other", 1);
  EXPECT_LT(h.engine->NextWake(), idle);
  h.engine->AbandonAwait(caller, 1);
  EXPECT_LT(h.engine->NextWake(), idle);
  h.engine->AbandonAwait(caller, 2);
  EXPECT_EQ(h.engine->NextWake(), idle);
  h.engine->AbandonAwait(caller, 2);  // once is enough
}

TEST(ClaimsTest, OneQueryServesAllWaiters) {
  Harness h;
  auto caller = std::make_shared<RecordingSink>();
  for (std::uint64_t i = 0; i < 100; ++i) h.Await(kNoSession, caller, i + 1, "w" + std::to_string(i));
  h.Settle();
  h.now += absl::Seconds(2);
  h.engine->Tick(h.now, h.wall_ms);
  std::size_t outcome_reads = 0;
  for (const ReadRequest& read : h.engine->TakeReads()) {
    if (std::holds_alternative<ReadOutcomesRead>(read)) ++outcome_reads;
  }
  EXPECT_EQ(outcome_reads, 1U);
}

TEST(ClaimsTest, ADeafDatabaseReadIsAskedAgain) {
  Harness h;
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.engine->CloseSession(1, CloseCause::kProcessGone);
  h.Settle();
  auto sink = std::make_shared<RecordingSink>();
  HelloRequest hello;
  hello.application_version = "v1";
  hello.incarnation = "again";
  hello.workflows = {{"checkout", 100}};
  hello.credit = 1;
  h.engine->OpenSession(2, sink, std::move(hello));
  Batch batch = h.engine->TakeBatch();
  ASSERT_TRUE(h.storage.Commit(batch).ok());
  h.engine->Committed(std::move(batch));
  for (const ReadRequest& read : h.engine->TakeReads()) {
    h.engine->ReadFailed(read, absl::UnavailableError("connection lost"));
  }
  EXPECT_TRUE(sink->dispatched.empty());
  h.Advance(absl::Seconds(2));
  EXPECT_EQ(sink->dispatched.size(), 1U);
}

}  // namespace
}  // namespace dbos::sidecar
