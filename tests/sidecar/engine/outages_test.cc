// What an outage of the database means to callers, and when a stream that has ended is let go.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/sidecar/engine/harness.h"

namespace dbos::sidecar {
namespace {

class OutagesTest : public OneAppTest {};

TEST_F(OutagesTest, ADatabaseThatCanBeReadButNotWrittenIsNotAvailable) {
  const ExecutionRef ref = StartOne();
  h.Step(1, app, 10, ref, 0);
  Batch batch = h.engine->TakeBatch();
  h.engine->DatabaseFailed(absl::ResourceExhaustedError("disk full"));
  ProbeRead probe;
  h.engine->ReadDone(probe, Due{});
  EXPECT_FALSE(h.engine->status().database_available);
  EXPECT_EQ(h.engine->status().database_error, "disk full");
  auto stub = std::make_shared<RecordingSink>();
  h.Start(kNoSession, stub, 1, "order-2");
  EXPECT_EQ(stub->refused.at(1).reason, Reason::kDatabaseUnavailable);
  ASSERT_TRUE(h.storage.Commit(batch).ok());
  h.engine->Committed(std::move(batch));
  EXPECT_TRUE(h.engine->status().database_available);
}

TEST_F(OutagesTest, ACommitWithoutAnAnswerMakesTheDatabaseNotAvailableUntilItComes) {
  const ExecutionRef ref = StartOne();
  h.Step(1, app, 10, ref, 0);
  Batch batch = h.engine->TakeBatch();
  h.Advance(absl::Seconds(5));
  EXPECT_TRUE(h.engine->status().database_available);
  h.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(h.engine->status().database_available);
  EXPECT_NE(h.engine->status().database_error.find("a commit has had no answer"), std::string::npos);
  ASSERT_TRUE(h.storage.Commit(batch).ok());
  h.engine->Committed(std::move(batch));
  EXPECT_TRUE(h.engine->status().database_available);
}

TEST_F(OutagesTest, AProbeWithoutAnAnswerMakesTheDatabaseNotAvailableUntilItComes) {
  h.now += absl::Seconds(2);
  h.engine->Tick(h.now, h.wall_ms);
  ASSERT_EQ(h.engine->TakeReads().size(), 1U) << "the probe, which nobody answers";
  h.Advance(absl::Seconds(5));
  EXPECT_TRUE(h.engine->status().database_available);
  h.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(h.engine->status().database_available);
  EXPECT_NE(h.engine->status().database_error.find("a probe has had no answer"), std::string::npos);
  h.engine->ReadDone(ProbeRead(), Due{});
  EXPECT_TRUE(h.engine->status().database_available);
}

TEST_F(OutagesTest, TimeThatTheSidecarSleptIsNotTheDatabasesSilence) {
  const ExecutionRef ref = StartOne();
  h.Step(1, app, 10, ref, 0);
  const Batch batch = h.engine->TakeBatch();
  h.Stall(absl::Seconds(60));
  EXPECT_TRUE(h.engine->status().database_available);
}

// A database that takes its time, seen by a process that comes back.
class SlowHelloTest : public OutagesTest {
 protected:
  // Only time passes: nothing is committed or answered.
  void Wait(absl::Duration wait) {
    for (const absl::Time until = h.now + wait; h.now < until;) {
      h.now += absl::Milliseconds(400);
      h.engine->Tick(h.now, h.wall_ms);
    }
  }
  void Answer(Batch& batch) {
    ASSERT_TRUE(h.storage.Commit(batch).ok());
    h.engine->Committed(std::move(batch));
  }
};

TEST_F(SlowHelloTest, AProcessThatHasComeBackKeepsItsExecutionsHoweverLongTheVerdictTakes) {
  const ExecutionRef ref = StartOne();
  h.engine->CloseSession(1, CloseCause::kConnectionLost);
  auto back = std::make_shared<RecordingSink>();
  h.OpenUnsettled(101, back, 10, {ref});
  Batch greeting = h.engine->TakeBatch();
  Wait(absl::Seconds(4));
  Answer(greeting);
  ASSERT_EQ(back->reattached.size(), 1U);
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kAdopted);
}

TEST_F(SlowHelloTest, AProcessIsNotJudgedByItsSilenceBeforeItWasWelcomed) {
  auto slow = std::make_shared<RecordingSink>();
  h.OpenUnsettled(2, slow);
  Batch greeting = h.engine->TakeBatch();
  Wait(absl::Seconds(15));
  EXPECT_TRUE(slow->fatal.ok()) << slow->fatal.message;
  EXPECT_GT(slow->pings, 10) << "it hears that the sidecar lives";
  Answer(greeting);
  EXPECT_EQ(slow->welcomes, 1);
}

TEST_F(SlowHelloTest, AProcessWhoseConnectionBreaksBeforeTheVerdictKeepsItsExecutions) {
  const ExecutionRef ref = StartOne();
  h.Restart({"process-1"});
  auto first = std::make_shared<RecordingSink>();
  h.OpenUnsettled(101, first, 10, {ref});
  Batch greeting = h.engine->TakeBatch();
  h.engine->CloseSession(101, CloseCause::kConnectionLost);
  Answer(greeting);
  auto back = h.Open(201, 10, {ref});
  ASSERT_EQ(back->reattached.size(), 1U);
  EXPECT_EQ(back->reattached[0].verdict, ReattachVerdict::kAdopted);
}

TEST_F(OutagesTest, AnEndedStreamIsFlushedUntilItIsGone) {
  h.engine->TakeDirtySinks();
  auto deaf = h.Open(2);
  const std::weak_ptr<RecordingSink> stream = deaf;
  for (int i = 0; i < 12; ++i) {
    h.engine->Heard(1);
    h.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(deaf->fatal.reason, Reason::kDisconnected);
  h.now += absl::Seconds(2);
  h.engine->Tick(h.now, h.wall_ms);
  auto dirty = h.engine->TakeDirtySinks();
  EXPECT_NE(std::find(dirty.begin(), dirty.end(), deaf), dirty.end()) << "its stream still has to end";
  EXPECT_NE(std::find(dirty.begin(), dirty.end(), app), dirty.end());
  dirty.clear();
  deaf.reset();
  EXPECT_TRUE(stream.expired()) << "the engine does not keep it";
}

}  // namespace
}  // namespace dbos::sidecar
