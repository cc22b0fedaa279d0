#include "sidecar/engine/spin_wait.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "absl/time/clock.h"

namespace dbos::sidecar {
namespace {

using For = SpinWait::For;

class SpinWaitTest : public testing::Test {
 protected:
  SpinWaitTest() : empty_(eventfd(0, EFD_CLOEXEC)), readable_(eventfd(1, EFD_CLOEXEC)) {}
  ~SpinWaitTest() override {
    close(empty_);
    close(readable_);
  }

  const int empty_;
  const int readable_;
};

TEST_F(SpinWaitTest, WhatIsThereIsFoundAndWhatIsNotIsWaitedForSoLong) {
  constexpr absl::Duration kTime = absl::Milliseconds(20);
  SpinWait wait(kTime);
  EXPECT_TRUE(wait.waits());
  EXPECT_TRUE(wait.IsReadable(readable_, For::kStatement));
  const absl::Time begun = absl::Now();
  EXPECT_FALSE(wait.IsReadable(empty_, For::kStatement));
  EXPECT_GE(absl::Now() - begun, kTime);
}

TEST_F(SpinWaitTest, ZeroNeverWaits) {
  EXPECT_FALSE(SpinWait(absl::ZeroDuration()).waits());
}

TEST_F(SpinWaitTest, AfterWaitsInVainItDoesNotLookForLongerAndLonger) {
  SpinWait wait(absl::Microseconds(1));
  for (const int passed : {0, 0, 1, 3, 7, 15, 31, 63, 63}) {
    for (int n = 0; n < passed; ++n) ASSERT_FALSE(wait.IsReadable(readable_, For::kEnd)) << n << " of " << passed;
    ASSERT_FALSE(wait.IsReadable(empty_, For::kEnd));
  }
  EXPECT_TRUE(wait.IsReadable(readable_, For::kStatement)) << "the other kind has had no waits in vain";
  for (int n = 0; n < SpinWait::kPassedMax; ++n) ASSERT_FALSE(wait.IsReadable(readable_, For::kEnd));
  EXPECT_TRUE(wait.IsReadable(readable_, For::kEnd));
  EXPECT_FALSE(wait.IsReadable(empty_, For::kEnd));
  EXPECT_TRUE(wait.IsReadable(readable_, For::kEnd)) << "one success and it begins anew";
}

}  // namespace
}  // namespace dbos::sidecar
