// What is handed out waits until the session's stream takes it; what was deleted meanwhile is not handed out.
#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

class ReplaysTest : public ::testing::Test {
 protected:
  void Enqueue(int count) {
    for (int i = 0; i < count; ++i) h.Start(kNoSession, stub, ++seq, "order-" + std::to_string(i));
    h.Settle();
  }
  // Claimed, and its replay not read yet.
  std::shared_ptr<RecordingSink> OpenUntilClaimed() {
    auto app = std::make_shared<RecordingSink>();
    h.OpenUnsettled(1, app);
    for (int round = 0; round < 10 && h.engine->status().executions == 0; ++round) h.Round();
    return app;
  }

  Harness h;
  std::shared_ptr<RecordingSink> stub = std::make_shared<RecordingSink>();
  std::uint64_t seq = 0;
};

TEST_F(ReplaysTest, NothingIsReadForAStreamOnWhichMuchWaits) {
  Enqueue(3);
  auto app = std::make_shared<RecordingSink>();
  app->waiting_bytes = kStreamBytesAhead + 1;
  h.OpenUnsettled(1, app);
  h.Settle();
  EXPECT_EQ(h.engine->status().executions, 3U);
  EXPECT_TRUE(app->dispatched.empty());
  app->waiting_bytes = kStreamBytesAhead;
  h.Settle();
  EXPECT_EQ(app->dispatched.size(), 3U);
}

TEST_F(ReplaysTest, AStartIsDispatchedWhenItsStreamHasDrained) {
  auto app = h.Open(1);
  app->waiting_bytes = kStreamBytesAhead + 1;
  h.Start(1, app, 1, "order-1");
  h.Settle();
  EXPECT_TRUE(app->started.at(1).created);
  EXPECT_TRUE(app->dispatched.empty());
  app->waiting_bytes = 0;
  h.Settle();
  ASSERT_EQ(app->dispatched.size(), 1U);
  EXPECT_EQ(app->dispatched[0].input.data, "{\"positionalArgs\":[]}");
  h.Complete(1, app, 2, app->dispatched[0].execution);
  h.Settle();
  EXPECT_EQ(app->acknowledged, std::vector<std::uint64_t>{2});
}

TEST_F(ReplaysTest, WhatOneReadDoesNotHoldIsReadNextOneReadAtATime) {
  Enqueue(5);
  h.storage.replay_read_max = 2;
  auto app = OpenUntilClaimed();
  std::size_t reads = 0;
  while (app->dispatched.size() < 5 && reads < 10) {
    const std::vector<ReadRequest> asked = h.engine->TakeReads();
    ASSERT_EQ(asked.size(), 1U);
    const auto& replay = std::get<LoadReplayRead>(asked[0]);
    EXPECT_TRUE(h.engine->TakeReads().empty());
    h.engine->ReadDone(replay, *h.storage.LoadReplay(replay.requests, 1000));
    EXPECT_EQ(app->dispatched.size(), std::min<std::size_t>(2 * ++reads, 5));
  }
  EXPECT_EQ(reads, 3U);
}

TEST_F(ReplaysTest, AWorkflowThatWasDeletedAfterTheClaimIsNotDispatched) {
  Enqueue(2);
  auto app = OpenUntilClaimed();
  h.storage.rows.erase("order-0");
  h.Settle();
  ASSERT_EQ(app->dispatched.size(), 1U);
  EXPECT_EQ(app->dispatched[0].execution.workflow_id, "order-1");
  EXPECT_EQ(h.engine->status().executions, 1U);
}

TEST_F(ReplaysTest, AProcessIsToldWhenTheWorkflowWasDeletedBeforeItsReplayWasThere) {
  Enqueue(1);
  for (std::int32_t i = 0; i < 3; ++i) h.storage.rows.at("order-0").steps[i] = {i, "charge", Outcome{}, "", 1, 1};
  h.storage.replay_page_steps = 2;
  auto app = OpenUntilClaimed();
  h.Round();
  ASSERT_EQ(app->dispatched.size(), 1U);
  ASSERT_FALSE(app->dispatched[0].replay_complete);
  h.storage.rows.clear();
  h.Settle();
  ASSERT_EQ(app->evicted.size(), 1U);
  EXPECT_EQ(app->evicted[0].workflow_id, "order-0");
  EXPECT_TRUE(app->pages.empty());
  EXPECT_EQ(h.engine->status().executions, 0U);
}

}  // namespace
}  // namespace dbos::sidecar
