// Replays that come in pages: complete, broken off, repeated, with a page missing.
#include <atomic>
#include <string>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {
namespace {

using Frames = FakeSidecar::Frames;

constexpr int kSteps = 4;

class ReplayTest : public ::testing::Test {
 protected:
  // "w" has all its steps recorded, each with its number; the dispatch brings only the first.
  ReplayTest() {
    std::vector<v1::StepRecord> steps;
    for (int step = 0; step < kSteps; ++step) steps.push_back(RecordedStep(step, "s", std::to_string(step)));
    sidecar_.AddPending("w", "w", R"({"positionalArgs":[]})", steps);
    sidecar_.SetFirstPage(1);
    app_->workflow("w", [this](Context& ctx) {
      ++runs_;
      int sum = 0;
      for (int step = 0; step < kSteps; ++step) sum += ctx.step("s", [this] { return ++bodies_, 1000; });
      return sum;
    });
    app_->launch();
  }
  void ExpectReplayed() {
    EXPECT_EQ(app_->handle<int>("w").result(std::chrono::seconds(10)), 0 + 1 + 2 + 3);
    app_->shutdown();
    EXPECT_EQ(bodies_, 0);
    EXPECT_EQ(runs_, 1);
  }

  std::atomic<int> runs_ = 0;
  std::atomic<int> bodies_ = 0;
  FakeSidecar sidecar_;
  std::unique_ptr<App> app_ = sidecar_.MakeApp();
};

TEST_F(ReplayTest, AnExecutionRunsWhenItsLastPageIsThere) {
  sidecar_.Push(sidecar_.Page("w", 0, 1, 3));
  sidecar_.Push(sidecar_.Page("w", 2, 3, 4));
  ExpectReplayed();
}

TEST_F(ReplayTest, PagesThatComeTwiceChangeNothing) {
  sidecar_.Push(sidecar_.Page("w", 0, 1, 2));
  sidecar_.Push(sidecar_.Page("w", 0, 1, 3));
  sidecar_.Push(sidecar_.Page("w", 0, 1, 2));
  sidecar_.Push(sidecar_.Page("w", 2, 3, 4));
  sidecar_.Push(sidecar_.Page("w", 2, 3, 4));
  ExpectReplayed();
}

TEST_F(ReplayTest, AfterABreakInTheMiddleItIsDispatchedAnew) {
  const v1::ServerFrame late = sidecar_.Page("w", 2, 3, 4);
  sidecar_.Push(sidecar_.Page("w", 0, 1, 2));
  sidecar_.SetFirstPage(2);
  sidecar_.Break();
  sidecar_.WaitUntil([](const Frames& frames) {
    const auto hellos = std::count_if(frames.begin(), frames.end(), [](const auto& each) { return each.has_hello(); });
    return hellos == 2;
  });
  EXPECT_EQ(sidecar_.frames().back().hello().resume_size(), 0);
  sidecar_.Push(late);  // under the token of the execution that is gone
  sidecar_.Push(sidecar_.Page("w", 1, 2, 4));
  ExpectReplayed();
}

TEST_F(ReplayTest, AnExecutionWithAPageMissingIsHandedBack) {
  sidecar_.Push(sidecar_.Page("w", 2, 3, 4));
  sidecar_.WaitUntil([](const Frames& frames) { return frames.back().has_release(); });
  app_->shutdown();
  EXPECT_EQ(runs_, 0);
  EXPECT_NE(sidecar_.log().find("a page of its recorded steps is missing"), std::string::npos) << sidecar_.log();
}

}  // namespace
}  // namespace dbos::testing
