// Work that another process may run: it is told of it, and what it is told of it looks for at once.
#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

class EngineWakeupsTest : public ::testing::Test {
 protected:
  // Another process's commit. No probe falls due meanwhile.
  void QueueElsewhere(const std::string& id) {
    ModelRow& stored = h.storage.rows[id];
    stored.row.workflow_id = id;
    stored.row.name = "checkout";
    stored.row.application_version = "v1";
    stored.row.status = WorkflowStatus::kEnqueued;
  }

  Harness h;
};

TEST_F(EngineWakeupsTest, WhatAnotherProcessHasQueuedRunsAtOnce) {
  auto app = h.Open(1);
  QueueElsewhere("order-1");
  h.Settle();
  ASSERT_TRUE(app->dispatched.empty()) << "only the next probe would find it";
  h.engine->WorkArrived();
  h.Settle();
  ASSERT_EQ(app->dispatched.size(), 1U);
  EXPECT_EQ(app->dispatched[0].execution.workflow_id, "order-1");
}

TEST_F(EngineWakeupsTest, OneThatComesDuringAClaimIsNotLost) {
  auto app = h.Open(1);
  h.engine->WorkArrived();
  const std::vector<ReadRequest> under_way = h.engine->TakeReads();
  ASSERT_EQ(under_way.size(), 1U);
  h.engine->WorkArrived();
  EXPECT_TRUE(h.engine->TakeReads().empty()) << "one claim at a time";
  h.engine->ReadDone(under_way[0], std::vector<std::string>());  // it was asked before the row was there
  QueueElsewhere("order-1");
  h.Settle();
  EXPECT_EQ(app->dispatched.size(), 1U);
}

TEST_F(EngineWakeupsTest, WhoHasNoRoomLooksWhenItHas) {
  auto app = h.Open(1, 1);
  h.Start(1, app, 1, "mine");
  h.Settle();
  QueueElsewhere("theirs");
  h.engine->WorkArrived();
  h.Settle();
  ASSERT_EQ(app->dispatched.size(), 1U);
  h.Complete(1, app, 2, app->dispatched[0].execution);
  h.Settle();
  EXPECT_EQ(app->dispatched.size(), 2U);
}

TEST_F(EngineWakeupsTest, NobodyIsAskedForWithoutAProcessOrWhileDraining) {
  h.engine->TakeReads();
  h.engine->WorkArrived();
  EXPECT_TRUE(h.engine->TakeReads().empty());
  auto app = h.Open(1);
  h.engine->Drain(absl::Seconds(10));
  h.engine->WorkArrived();
  EXPECT_TRUE(h.engine->TakeReads().empty());
}

TEST_F(EngineWakeupsTest, OthersAreToldOfWhatTheyMayRunOnceAndAfterItsCommit) {
  auto caller = std::make_shared<RecordingSink>();
  h.Start(kNoSession, caller, 1, "order-1");
  EXPECT_FALSE(h.engine->TakeWorkForOthers()) << "not committed yet";
  h.Settle();
  EXPECT_TRUE(h.engine->TakeWorkForOthers());
  EXPECT_FALSE(h.engine->TakeWorkForOthers());
}

TEST_F(EngineWakeupsTest, OthersAreNotToldOfWhatRunsHere) {
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.Step(1, app, 2, app->dispatched[0].execution, 0);
  h.Complete(1, app, 3, app->dispatched[0].execution);
  h.Settle();
  EXPECT_FALSE(h.engine->TakeWorkForOthers());
  h.Start(1, app, 4, "refused", "unknown");
  h.storage.poisoned = "refused";
  h.Settle();
  EXPECT_FALSE(h.engine->TakeWorkForOthers()) << "it was not written";
}

TEST_F(EngineWakeupsTest, OthersAreToldOfWhatIsHandedBack) {
  auto app = h.Open(1);
  h.Start(1, app, 1, "left");
  h.Start(1, app, 2, "released");
  h.Settle();
  h.engine->ReleaseExecution(app, 3, app->dispatched[1].execution);
  h.Settle();
  EXPECT_TRUE(h.engine->TakeWorkForOthers());
  h.engine->CloseSession(1, CloseCause::kProcessGone);  // a take-over that finds nobody
  h.Settle();
  EXPECT_EQ(h.storage.rows.at("left").row.status, WorkflowStatus::kEnqueued);
  EXPECT_TRUE(h.engine->TakeWorkForOthers());
}

TEST_F(EngineWakeupsTest, OthersAreToldOfWhatADrainLeaves) {
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.engine->Drain(absl::ZeroDuration());
  h.Stall(absl::Milliseconds(1));
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kEnqueued);
  EXPECT_TRUE(h.engine->TakeWorkForOthers());
}

TEST_F(EngineWakeupsTest, OthersAreToldOfWhatAnEarlierLifeLeft) {
  auto app = h.Open(1);
  h.Start(1, app, 1, "order-1");
  h.Settle();
  h.Restart();
  EXPECT_FALSE(h.engine->TakeWorkForOthers());
  h.Settle();
  EXPECT_EQ(h.storage.rows.at("order-1").row.status, WorkflowStatus::kEnqueued);
  EXPECT_TRUE(h.engine->TakeWorkForOthers());
}

}  // namespace
}  // namespace dbos::sidecar
