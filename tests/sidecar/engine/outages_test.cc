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
