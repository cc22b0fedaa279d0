#include "sidecar/rpc/outbox.h"

#include <gtest/gtest.h>

#include "dbos/v1/steps.pb.h"

namespace dbos::sidecar {
namespace {

using EventOutbox = Outbox<v1::SessionEvent>;

void AddPing(EventOutbox& outbox, std::uint64_t nonce, std::size_t bytes = 10) {
  outbox.Append(bytes, [nonce](v1::SessionEvent& event) { event.add_frames()->mutable_ping()->set_nonce(nonce); });
}

TEST(OutboxTest, GathersWhatComesWhileAWriteIsUnderWay) {
  EventOutbox outbox({});
  AddPing(outbox, 1);
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  AddPing(outbox, 2);
  AddPing(outbox, 3);
  EXPECT_EQ(outbox.Next(), StreamAction::kNone) << "one write at a time";
  EXPECT_EQ(outbox.writing()->frames_size(), 1);
  outbox.Written();
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  EXPECT_EQ(outbox.writing()->frames_size(), 2);
  EXPECT_EQ(outbox.writing()->frames(1).ping().nonce(), 3U);
}

TEST(OutboxTest, SplitsMessagesAtTheirLimit) {
  EventOutbox outbox({.message_bytes = 25});
  for (std::uint64_t i = 0; i < 3; ++i) AddPing(outbox, i);
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  EXPECT_EQ(outbox.writing()->frames_size(), 2);
  outbox.Written();
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  EXPECT_EQ(outbox.writing()->frames_size(), 1);
}

TEST(OutboxTest, TellsOnceWhenItHasDrained) {
  EventOutbox outbox({});
  for (std::uint64_t i = 0; i < 4; ++i) AddPing(outbox, i, kStreamBytesAhead / 3);
  std::vector<bool> drained;
  while (outbox.Next() == StreamAction::kWrite) drained.push_back(outbox.Written());
  EXPECT_EQ(drained, (std::vector<bool>{true, false, false, false}));
  EXPECT_EQ(outbox.waiting_bytes(), 0U);
}

TEST(OutboxTest, FinishesOnceAndAfterEverythingIsWritten) {
  EventOutbox outbox({});
  AddPing(outbox, 1);
  outbox.End(grpc::Status(grpc::ABORTED, "first"));
  outbox.End(grpc::Status(grpc::OK, "second"));
  AddPing(outbox, 2);
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  EXPECT_EQ(outbox.Next(), StreamAction::kNone);
  outbox.Written();
  EXPECT_EQ(outbox.Next(), StreamAction::kFinish);
  EXPECT_EQ(outbox.Next(), StreamAction::kNone);
  EXPECT_EQ(outbox.status().error_message(), "first");
}

TEST(OutboxTest, AbortDropsWhatWaitsButNotTheWriteUnderWay) {
  EventOutbox outbox({});
  AddPing(outbox, 1);
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  AddPing(outbox, 2);
  outbox.Abort();
  EXPECT_EQ(outbox.Next(), StreamAction::kNone);
  EXPECT_EQ(outbox.writing()->frames(0).ping().nonce(), 1U);
  outbox.Written();
  EXPECT_EQ(outbox.Next(), StreamAction::kFinish);
}

TEST(OutboxTest, GivesUpOnceOnAClientThatLetsItOverflow) {
  EventOutbox outbox({.waiting_bytes = 100});
  AddPing(outbox, 1, 60);
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  AddPing(outbox, 2, 30);
  EXPECT_EQ(outbox.Next(), StreamAction::kNone);
  AddPing(outbox, 3, 30);
  EXPECT_EQ(outbox.Next(), StreamAction::kCancel);
  EXPECT_EQ(outbox.Next(), StreamAction::kNone);
}

TEST(OutboxTest, ABurstBeyondTheLimitIsDroppedAndNeverPassedOver) {
  EventOutbox outbox({.message_bytes = 10, .waiting_bytes = 100});
  for (std::uint64_t i = 0; i < 1000; ++i) AddPing(outbox, i, 60);
  EXPECT_EQ(outbox.Next(), StreamAction::kCancel) << "not the first write: answers are missing behind it";
  EXPECT_EQ(outbox.Next(), StreamAction::kNone);
  outbox.Abort();
  EXPECT_EQ(outbox.Next(), StreamAction::kFinish);
}

TEST(OutboxTest, ADropDuringAWriteIsNotForgottenWhenTheWriteIsDone) {
  EventOutbox outbox({.message_bytes = 10, .waiting_bytes = 100});
  AddPing(outbox, 1, 60);
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  for (std::uint64_t i = 2; i < 5; ++i) AddPing(outbox, i, 60);
  outbox.Written();
  EXPECT_EQ(outbox.Next(), StreamAction::kCancel);
}

TEST(OutboxTest, GivesUpOnAClientThatDoesNotTakeAWriteInTime) {
  EventOutbox outbox({.patience = std::chrono::milliseconds(-1)});
  AddPing(outbox, 1);
  EXPECT_EQ(outbox.Next(), StreamAction::kWrite);
  EXPECT_EQ(outbox.Next(), StreamAction::kCancel);
}

}  // namespace
}  // namespace dbos::sidecar
