// Retries: attempts, waits, timeouts and the error that is recorded in the end.
#include "clients/cpp/src/retry.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace dbos::runtime {
namespace {

using std::chrono::milliseconds;

class FakeWorld final : public AttemptWorld {
 public:
  std::stop_token Stop() const override { return stop.get_token(); }
  void Pause(milliseconds wait) override { pauses.push_back(wait); }
  std::shared_ptr<void> StopAfter(milliseconds /*timeout*/, std::stop_source source) override {
    if (time_out) source.request_stop();
    return nullptr;
  }
  double Random() override { return 0.5; }

  std::stop_source stop;
  bool time_out = false;
  std::vector<milliseconds> pauses;
};

class RetryTest : public ::testing::Test {
 protected:
  StoredOutcome Run(const StepOptions& options, const detail::StepBody& body) {
    return RunAttempts({workflow_id_, 3, "charge", options}, body, world_);
  }
  FakeWorld world_;
  const std::string workflow_id_ = "wf";
};

TEST_F(RetryTest, WaitsGrowByTheBackoffRateUpToTheCap) {
  const StepOptions options{.max_attempts = 6, .interval = milliseconds(100), .max_interval = milliseconds(500)};
  int attempts = 0;
  const StoredOutcome outcome = Run(options, [&](StepContext& step) -> std::string {
    EXPECT_EQ(step.attempt(), ++attempts);
    if (attempts < 6) throw std::runtime_error("down");
    return "1";
  });
  EXPECT_EQ(outcome.text, "1");
  EXPECT_EQ(world_.pauses, (std::vector<milliseconds>{milliseconds(100), milliseconds(200), milliseconds(400),
                                                      milliseconds(500), milliseconds(500)}));
}

TEST_F(RetryTest, TheDefaultsAreThoseOfDbos) {
  EXPECT_EQ(BackoffAfter({}, 1), milliseconds(1000));
  EXPECT_EQ(BackoffAfter({}, 3), milliseconds(4000));
  EXPECT_EQ(BackoffAfter({}, 60), milliseconds(3'600'000));
}

TEST_F(RetryTest, JitterLengthensTheWait) {
  Run({.max_attempts = 2, .interval = milliseconds(100), .jitter = 0.4},
      [](StepContext&) -> std::string { throw std::runtime_error("down"); });
  EXPECT_EQ(world_.pauses, std::vector<milliseconds>{milliseconds(120)});
}

TEST_F(RetryTest, WithoutRetriesTheErrorItselfIsRecorded) {
  const StoredOutcome outcome = Run({}, [](StepContext&) -> std::string { throw std::runtime_error("down"); });
  EXPECT_TRUE(outcome.failed);
  EXPECT_EQ(outcome.text, R"({"name":"std::runtime_error","message":"down"})");
}

TEST_F(RetryTest, AStepErrorIsRecordedWithItsCodeAndData) {
  const StoredOutcome outcome = Run({}, [](StepContext&) -> std::string {
    throw StepError({.name = "Declined", .message = "no", .code = Json(402), .data = Json{{"card", "x"}}});
  });
  EXPECT_EQ(outcome.text, R"({"name":"Declined","message":"no","code":402,"data":{"card":"x"}})");
}

TEST_F(RetryTest, ExhaustedAttemptsHaveTheTextOfTheSdk) {
  const StoredOutcome outcome = Run({.max_attempts = 2}, [](StepContext& step) -> std::string {
    throw std::runtime_error("down " + std::to_string(step.attempt()));
  });
  try {
    ValueOfStep(outcome);
    FAIL();
  } catch (const MaxStepRetriesExceeded& error) {
    EXPECT_STREQ(
        error.what(),
        "Step charge has exceeded its maximum of 2 retries. Previous errors: Error 1: down 1. Error 2: down 2");
    EXPECT_EQ((*error.data())["errors"].size(), 2U);
  }
}

TEST_F(RetryTest, ThePredicateEndsTheRetries) {
  const StepOptions options{
      .max_attempts = 5, .retry_if = [](const std::exception& error) { return std::string(error.what()) != "fatal"; }};
  int attempts = 0;
  const StoredOutcome outcome =
      Run(options, [&](StepContext&) -> std::string { throw std::runtime_error(++attempts == 2 ? "fatal" : "down"); });
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(outcome.text, R"({"name":"std::runtime_error","message":"fatal"})");
}

TEST_F(RetryTest, APredicateThatThrowsFailsTheStepWithItsError) {
  const StepOptions options{.max_attempts = 5,
                            .retry_if = [](const std::exception&) -> bool { throw std::logic_error("predicate"); }};
  int attempts = 0;
  const StoredOutcome outcome = Run(options, [&](StepContext&) -> std::string {
    ++attempts;
    throw std::runtime_error("down");
  });
  EXPECT_EQ(attempts, 1);
  EXPECT_EQ(outcome.text, R"({"name":"std::logic_error","message":"predicate"})");
}

TEST_F(RetryTest, TheLongestTimesAreLongAndNotOver) {
  constexpr milliseconds kMax = milliseconds::max();
  EXPECT_EQ(Run({.timeout = kMax}, [](StepContext&) { return std::string("1"); }).text, "1");
  EXPECT_GE(BackoffAfter({.interval = kMax, .max_interval = kMax}, 9), std::chrono::hours(24 * 365));
  EXPECT_EQ(BackoffAfter({.interval = milliseconds(0), .backoff_rate = 10}, 5000), milliseconds(0));
}

TEST_F(RetryTest, AnAttemptThatTimedOutFailsWhateverItReturned) {
  world_.time_out = true;
  const StoredOutcome outcome = Run({.timeout = milliseconds(50)}, [](StepContext& step) -> std::string {
    EXPECT_TRUE(step.stop_token().stop_requested());
    return "1";
  });
  EXPECT_EQ(outcome.text, R"({"name":"DBOSStepTimeoutError","message":"Step charge timed out after 50ms"})");
}

TEST_F(RetryTest, TheWorkflowsStopReachesAnAttemptWithATimeout) {
  Run({.timeout = std::chrono::hours(1)}, [&](StepContext& step) -> std::string {
    EXPECT_FALSE(step.stop_token().stop_requested());
    world_.stop.request_stop();
    EXPECT_TRUE(step.stop_token().stop_requested());
    return "1";
  });
}

TEST_F(RetryTest, UnwindingIsNeverAnOutcome) {
  EXPECT_THROW(Run({.max_attempts = 3}, [](StepContext&) -> std::string { throw ExecutionStopped("lost"); }),
               ExecutionStopped);
}

TEST_F(RetryTest, OptionsThatMakeNoSenseAreRefused) {
  EXPECT_THROW(CheckStepOptions("s", {.max_attempts = 0}), InvalidArgument);
  EXPECT_THROW(CheckStepOptions("s", {.backoff_rate = 0.5}), InvalidArgument);
  EXPECT_THROW(CheckStepOptions("s", {.jitter = 2}), InvalidArgument);
  EXPECT_THROW(CheckStepOptions("s", {.timeout = milliseconds(-1)}), InvalidArgument);
  EXPECT_THROW(CheckStepOptions("s", {.interval = milliseconds(10), .max_interval = milliseconds(1)}), InvalidArgument);
}

}  // namespace
}  // namespace dbos::runtime
