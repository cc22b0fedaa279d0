// Outbox: order, batching, limits, and what is sent again on a new stream.
#include "clients/cpp/src/outbox.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace dbos::runtime {
namespace {

class Owner final : public OperationOwner {
 public:
  void OnAcknowledged(std::size_t /*count*/) override {}
  void OnRefused(const v1::ErrorDetail& /*error*/) override {}
  bool Abandoned() const override { return abandoned; }
  bool abandoned = false;
};

// Another operation of the same execution, with an answer of its own.
class Follower final : public OperationOwner {
 public:
  explicit Follower(std::shared_ptr<Owner> first) : first_(std::move(first)) {}
  void OnAcknowledged(std::size_t /*count*/) override {}
  void OnRefused(const v1::ErrorDetail& /*error*/) override {}
  bool Abandoned() const override { return false; }
  const void* execution() const override { return first_->execution(); }

 private:
  const std::shared_ptr<Owner> first_;
};

class OutboxTest : public ::testing::Test {
 protected:
  void PushStepOf(const std::shared_ptr<OperationOwner>& owner, int step_id) { PushStep(step_id, 0, owner); }
  void PushStep(int step_id, std::size_t padding = 0) { PushStep(step_id, padding, owner_); }
  void PushStep(int step_id, std::size_t padding, const std::shared_ptr<OperationOwner>& owner) {
    v1::RecordStepFrame frame;
    frame.mutable_step()->set_step_id(step_id);
    frame.mutable_step()->set_name(std::string(padding, 'x'));
    outbox_.Push({.kind = FrameKind::kRecordStep, .body = frame.SerializeAsString(), .owner = owner});
  }
  void PushAwait(const std::string& id) {
    v1::AwaitFrame frame;
    frame.set_workflow_id(id);
    outbox_.Push({.kind = FrameKind::kAwait, .body = frame.SerializeAsString(), .owner = owner_});
  }
  // The next message as text: "3@7" is step 3 with seq 7.
  std::vector<std::string> Next() {
    v1::SessionRequest request;
    EXPECT_TRUE(request.ParseFromString(outbox_.NextMessage()));
    std::vector<std::string> seen;
    for (const v1::ClientFrame& frame : request.frames()) {
      if (frame.has_pong()) seen.push_back("pong");
      if (frame.has_record_step()) {
        seen.push_back(std::to_string(frame.record_step().step().step_id()) + "@" +
                       std::to_string(frame.record_step().seq()));
      }
      if (frame.has_await_workflow()) {
        seen.push_back(frame.await_workflow().workflow_id() + "@" + std::to_string(frame.await_workflow().seq()));
      }
    }
    return seen;
  }
  std::size_t Acknowledge(std::uint64_t first, std::uint64_t last) {
    v1::Acknowledged acknowledged;
    v1::Acknowledged::Range& range = *acknowledged.add_ranges();
    range.set_first(first);
    range.set_last(last);
    Outbox::Answered answered;
    outbox_.Acknowledge(acknowledged, answered);
    return answered.empty() ? 0 : answered.front().second;
  }
  using Seen = std::vector<std::string>;
  std::shared_ptr<Owner> owner_ = std::make_shared<Owner>();
  Outbox outbox_;
};

TEST_F(OutboxTest, WhatWaitedGoesOutTogetherInOrder) {
  PushStep(1);
  PushStep(2);
  outbox_.PushControl(FrameKind::kPong, "");
  EXPECT_EQ(Next(), (Seen{"pong", "1@1", "2@2"}));
  EXPECT_TRUE(Next().empty());
}

TEST_F(OutboxTest, OnlyTheUnansweredIsSentAgainInTheSameOrder) {
  for (int step = 1; step <= 4; ++step) PushStep(step);
  PushAwait("w");
  EXPECT_EQ(Next().size(), 5U);
  EXPECT_EQ(Acknowledge(2, 3), 2U);
  PushStep(5);
  outbox_.Rewind();
  EXPECT_EQ(Next(), (Seen{"1@6", "4@7", "5@8", "w@9"}));
}

TEST_F(OutboxTest, WhatWasAbandonedIsNotSentAgain) {
  PushStep(1);
  PushAwait("w");
  EXPECT_EQ(Next().size(), 2U);
  owner_->abandoned = true;
  outbox_.Rewind();
  EXPECT_TRUE(Next().empty());
  EXPECT_EQ(outbox_.size(), 0U);
}

TEST_F(OutboxTest, NoMoreIsInFlightThanTheLimit) {
  outbox_.set_max_in_flight(2);
  for (int step = 1; step <= 3; ++step) PushStep(step);
  EXPECT_EQ(Next(), (Seen{"1@1", "2@2"}));
  EXPECT_TRUE(Next().empty());
  EXPECT_EQ(Acknowledge(1, 1), 1U);
  EXPECT_EQ(Next(), Seen{"3@3"});
}

TEST_F(OutboxTest, AMessageEndsAtTheByteLimitButNeverSplitsAnOperation) {
  PushStep(1, Outbox::kMessageBytes / 2);
  PushStep(2, Outbox::kMessageBytes * 2);
  PushStep(3);
  EXPECT_EQ(Next(), Seen{"1@1"});
  EXPECT_EQ(Next(), Seen{"2@2"});
  EXPECT_EQ(Next(), Seen{"3@3"});
}

TEST_F(OutboxTest, AWaitDoesNotKeepTheRestFromLeaving) {
  PushAwait("w");
  EXPECT_EQ(Next(), Seen{"w@1"});
  PushStep(1);
  EXPECT_EQ(Next(), Seen{"1@2"});
  EXPECT_EQ(Acknowledge(2, 2), 1U);
  EXPECT_EQ(outbox_.size(), 1U);
  EXPECT_NE(outbox_.Take(1).owner, nullptr);
  EXPECT_EQ(outbox_.size(), 0U);
}

TEST_F(OutboxTest, WhatIsRefusedForNowKeepsItsPlaceInItsExecution) {
  const auto other = std::make_shared<Owner>();
  PushStep(1);
  PushStepOf(other, 10);
  PushStep(2);
  PushStepOf(std::make_shared<Follower>(owner_), 3);
  EXPECT_EQ(Next(), (Seen{"1@1", "10@2", "2@3", "3@4"}));
  PushStep(4);
  EXPECT_TRUE(outbox_.SendAgain(3));
  EXPECT_FALSE(outbox_.SendAgain(4)) << "it is behind the other one already";
  PushStepOf(other, 11);
  outbox_.PushControl(FrameKind::kPong, "");
  EXPECT_EQ(Next(), Seen{"pong"}) << "operations wait, control frames do not";
  EXPECT_EQ(Acknowledge(4, 4), 0U) << "an acknowledgement must not overtake step 2";
  EXPECT_EQ(Acknowledge(1, 2), 1U);
  outbox_.Resume();
  EXPECT_EQ(Next(), (Seen{"2@5", "3@6", "4@7", "11@8"}));
  EXPECT_EQ(Acknowledge(5, 7), 1U);
}

TEST_F(OutboxTest, ANewStreamSendsWhatWasRefusedForNowInOrder) {
  PushStep(1);
  PushStep(2);
  EXPECT_EQ(Next().size(), 2U);
  EXPECT_TRUE(outbox_.SendAgain(1));
  PushStep(3);
  outbox_.Rewind();
  EXPECT_EQ(Next(), (Seen{"1@3", "2@4", "3@5"}));
}

TEST_F(OutboxTest, AWaitThatIsRefusedForNowIsSentAgain) {
  PushAwait("w");
  EXPECT_EQ(Next(), Seen{"w@1"});
  EXPECT_TRUE(outbox_.SendAgain(1));
  outbox_.Resume();
  EXPECT_EQ(Next(), Seen{"w@2"});
  owner_->abandoned = true;
  EXPECT_FALSE(outbox_.SendAgain(2));
  EXPECT_EQ(outbox_.size(), 0U);
}

TEST_F(OutboxTest, AnUnknownAcknowledgementIsIgnored) {
  PushStep(1);
  EXPECT_EQ(Next().size(), 1U);
  EXPECT_EQ(Acknowledge(7, 900), 0U);
  EXPECT_EQ(outbox_.Take(5).owner, nullptr);
  EXPECT_EQ(Acknowledge(0, 900), 1U);
}

}  // namespace
}  // namespace dbos::runtime
