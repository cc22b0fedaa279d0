// Executions over a fake sidecar: records, holds, replay, failures, concurrent steps, children, cancellation.
#include <atomic>
#include <latch>
#include <stdexcept>
#include <string>
#include <vector>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {
namespace {

using Frames = FakeSidecar::Frames;

std::size_t CountRecords(const Frames& frames) {
  return static_cast<std::size_t>(
      std::count_if(frames.begin(), frames.end(), [](const auto& frame) { return frame.has_record_step(); }));
}

class ExecutionTest : public ::testing::Test {
 protected:
  FakeSidecar sidecar_;
  std::unique_ptr<App> app_ = sidecar_.MakeApp();
};

TEST_F(ExecutionTest, TheLastStepAndTheOutcomeShareAMessage) {
  const auto workflow = app_->workflow("add", [](Context& ctx, int a, int b) {
    const int doubled = ctx.step("double", [&] { return 2 * a; });
    return ctx.step("add", [&] { return doubled + b; });
  });
  app_->launch();
  EXPECT_EQ(workflow.start({.workflow_id = "w"}, 20, 2).result(), 42);
  const StoredWorkflow stored = sidecar_.workflow("w");
  EXPECT_EQ(stored.input, R"({"positionalArgs":[20,2]})");
  EXPECT_EQ(stored.steps.at(0).name(), "double");
  EXPECT_EQ(stored.steps.at(1).outcome().value().data(), "42");
  EXPECT_EQ(stored.outcome.value().data(), "42");
  // The start; the first step; the second step with the outcome.
  EXPECT_EQ(sidecar_.operations_per_message(), (std::vector<int>{1, 1, 2}));
}

TEST_F(ExecutionTest, ABodyStartsOnlyWhenEverythingBeforeItIsDurable) {
  std::atomic<bool> second_ran = false;
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    ctx.step("first", [] {});
    ctx.step("second", [&] { second_ran = true; });
  });
  app_->launch();
  const auto handle = workflow.start({});
  sidecar_.HoldAcks();
  // The first record may have been acknowledged before; the workflow cannot end either way.
  const auto blocked = app_->start<void>("w", {.workflow_id = "blocked"});
  sidecar_.WaitUntil([](const Frames& frames) {
    return std::any_of(frames.begin(), frames.end(), [](const auto& frame) {
      return frame.has_record_step() && frame.record_step().execution().workflow_id() == "blocked";
    });
  });
  EXPECT_THROW(blocked.result(std::chrono::milliseconds(20)), TimeoutError);
  EXPECT_EQ(sidecar_.workflow("blocked").steps.size(), 1U);
  sidecar_.ReleaseAcks();
  blocked.result();
  handle.result();
  EXPECT_TRUE(second_ran);
}

TEST_F(ExecutionTest, AHeldRecordIsSentWhenNothingFollowsSoon) {
  std::latch recorded(1);
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    ctx.step("first", [] {});
    recorded.wait();
  });
  app_->launch();
  const auto handle = workflow.start({.workflow_id = "w"});
  sidecar_.WaitUntil([](const Frames& frames) { return CountRecords(frames) == 1; });
  recorded.count_down();
  handle.result();
}

TEST_F(ExecutionTest, RecordedStepsAreReplayedWithoutRunning) {
  sidecar_.AddPending("w", "w", R"({"positionalArgs":[]})", {RecordedStep(0, "first", "41")});
  std::atomic<int> first_runs = 0;
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    const int first = ctx.step("first", [&] { return ++first_runs; });
    return ctx.step("second", [&] { return first + 1; });
  });
  app_->launch();
  EXPECT_EQ(app_->handle<int>("w").result(), 42);
  EXPECT_EQ(first_runs, 0);
}

TEST_F(ExecutionTest, AFailedStepThrowsTheSameOnTheFirstRunAndOnReplay) {
  v1::StepRecord failed = RecordedStep(0, "charge", "");
  failed.mutable_outcome()->mutable_error()->set_data(R"({"name":"std::runtime_error","message":"declined"})");
  sidecar_.AddPending("replayed", "w", R"({"positionalArgs":[]})", {failed});
  const auto workflow = app_->workflow("w", [&](Context& ctx) -> std::string {
    try {
      ctx.step("charge", [] { throw std::runtime_error("declined"); });
    } catch (const StepError& error) {
      return error.name() + ": " + error.message();
    }
    return "no error";
  });
  app_->launch();
  EXPECT_EQ(workflow.start({}).result(), "std::runtime_error: declined");
  EXPECT_EQ(app_->handle<std::string>("replayed").result(), "std::runtime_error: declined");
}

TEST_F(ExecutionTest, AWorkflowThatThrowsEndsWithAnError) {
  const auto workflow = app_->workflow("w", [](Context&, int) -> int { throw std::out_of_range("too far"); });
  app_->launch();
  try {
    workflow.start({.workflow_id = "w"}, 1).result();
    FAIL();
  } catch (const WorkflowError& error) {
    EXPECT_EQ(error.name(), "std::out_of_range");
    EXPECT_EQ(error.message(), "too far");
  }
  EXPECT_EQ(sidecar_.workflow("w").outcome.error().data(), R"({"name":"std::out_of_range","message":"too far"})");
}

TEST_F(ExecutionTest, BadArgumentsEndTheWorkflowWithAnError) {
  app_->workflow("w", [](Context&, int) {});
  app_->launch();
  EXPECT_THROW(app_->start<void>("w", {}, "text").result(), WorkflowError);
}

TEST_F(ExecutionTest, AnotherNameAtARecordedNumberShowsBothNames) {
  sidecar_.AddPending("w", "w", R"({"positionalArgs":[]})", {RecordedStep(0, "old", "1")});
  app_->workflow("w", [&](Context& ctx) {
    try {
      ctx.step("new", [] { return 1; });
    } catch (const std::exception&) {
      return 1;  // swallowed: the result is discarded all the same
    }
    return 2;
  });
  app_->launch();
  try {
    app_->handle<int>("w").result();
    FAIL();
  } catch (const WorkflowError& error) {
    EXPECT_EQ(error.name(), "DBOSUnexpectedStepError");
    EXPECT_NE(error.message().find("function old was recorded when new was expected"), std::string::npos);
    EXPECT_NE(error.message().find("version"), std::string::npos);
  }
  EXPECT_EQ(sidecar_.workflow("w").steps.size(), 1U);
}

TEST_F(ExecutionTest, ConcurrentStepsAreNumberedInProgramOrder) {
  std::latch both(2);
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    auto slow = ctx.async("slow", [&] { return both.arrive_and_wait(), 1; });
    auto fast = ctx.async("fast", [&] { return both.arrive_and_wait(), 2; });
    const int sum = slow.get() + fast.get();
    return sum + ctx.step("last", [] { return 10; });
  });
  app_->launch();
  EXPECT_EQ(workflow.start({.workflow_id = "w"}).result(), 13);
  const StoredWorkflow stored = sidecar_.workflow("w");
  EXPECT_EQ(stored.steps.at(0).name(), "slow");
  EXPECT_EQ(stored.steps.at(1).name(), "fast");
  EXPECT_EQ(stored.steps.at(2).name(), "last");
}

TEST_F(ExecutionTest, OnlyTheMissingConcurrentStepRunsAgain) {
  sidecar_.AddPending("w", "w", R"({"positionalArgs":[]})", {RecordedStep(1, "b", "2")});
  std::atomic<int> runs = 0;
  app_->workflow("w", [&](Context& ctx) {
    auto a = ctx.async("a", [&] { return ++runs, 1; });
    auto b = ctx.async("b", [&] { return ++runs, 20; });
    return a.get() + b.get();
  });
  app_->launch();
  EXPECT_EQ(app_->handle<int>("w").result(), 3);
  EXPECT_EQ(runs, 1);
}

TEST_F(ExecutionTest, ConcurrentStepsRunWithoutASpareThread) {
  app_.reset();
  app_ = sidecar_.MakeApp({.name = "test", .max_concurrent_workflows = 1, .max_threads = 1});
  const auto workflow = app_->workflow("w", [](Context& ctx) {
    auto a = ctx.async("a", [] { return 1; });
    auto b = ctx.async("b", [] { return 2; });
    return a.get() + b.get();
  });
  app_->launch();
  EXPECT_EQ(workflow.start({}).result(), 3);
}

TEST_F(ExecutionTest, ChildrenHaveDerivedIdsAndTheirResultIsRecorded) {
  const auto child = app_->workflow("child", [](Context& ctx, int n) { return ctx.step("s", [&] { return n + 1; }); });
  const auto parent = app_->workflow("parent", [&](Context& ctx) {
    auto first = ctx.start(child, {}, 1);
    auto second = ctx.start<int>("child", {.workflow_id = "second"}, 2);
    return first.result() + second.result();
  });
  app_->launch();
  EXPECT_EQ(parent.start({.workflow_id = "p"}).result(), 5);
  const StoredWorkflow stored = sidecar_.workflow("p");
  EXPECT_EQ(stored.steps.at(0).child_workflow_id(), "p-0");
  EXPECT_EQ(stored.steps.at(1).child_workflow_id(), "second");
  EXPECT_EQ(stored.steps.at(2).name(), "DBOS.getResult");
  EXPECT_EQ(stored.steps.at(2).child_workflow_id(), "p-0");
  EXPECT_EQ(stored.steps.at(2).outcome().value().data(), "2");
  EXPECT_EQ(stored.steps.at(3).outcome().value().data(), "3");
}

TEST_F(ExecutionTest, ParentsThatAwaitChildrenDoNotDeadlock) {
  app_.reset();
  app_ = sidecar_.MakeApp({.name = "test", .max_concurrent_workflows = 2, .max_threads = 16});
  const auto child = app_->workflow("child", [](Context&, int n) { return n; });
  const auto parent = app_->workflow("parent", [&](Context& ctx, int n) { return ctx.start(child, {}, n).result(); });
  app_->launch();
  std::vector<WorkflowHandle<int>> handles;
  for (int i = 0; i < 8; ++i) handles.push_back(parent.start({}, i));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(handles[static_cast<std::size_t>(i)].result(), i);
}

TEST_F(ExecutionTest, AFailedChildThrowsAndIsRecordedAsFailed) {
  const auto child = app_->workflow("child", [](Context&) -> int { throw std::runtime_error("broken"); });
  const auto parent = app_->workflow("parent", [&](Context& ctx) -> std::string {
    try {
      return std::to_string(ctx.start(child, {}).result());
    } catch (const WorkflowError& error) {
      return error.message();
    }
  });
  app_->launch();
  EXPECT_EQ(parent.start({.workflow_id = "p"}).result(), "broken");
  EXPECT_TRUE(sidecar_.workflow("p").steps.at(1).outcome().has_error());
}

TEST_F(ExecutionTest, CancellationUnwindsAndRecordsNothingMore) {
  std::atomic<bool> step_was_stopped = false;
  std::atomic<int> swallowed = 0;
  std::latch running(1);
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    try {
      ctx.step("wait", [&](StepContext& step) {
        running.count_down();
        std::condition_variable_any never;
        std::mutex mu;
        std::unique_lock lock(mu);
        step_was_stopped = !never.wait(lock, step.stop_token(), [] { return false; });
      });
    } catch (...) {
      ++swallowed;
    }
    EXPECT_TRUE(ctx.cancelled());
    EXPECT_THROW(ctx.step("next", [] { ADD_FAILURE(); }), WorkflowCancelled);
    return 7;
  });
  app_->launch();
  const auto handle = workflow.start({.workflow_id = "w"});
  running.wait();
  sidecar_.Cancel("w");
  EXPECT_THROW(handle.result(), AwaitedWorkflowCancelled);
  app_->shutdown();
  EXPECT_TRUE(step_was_stopped);
  EXPECT_EQ(swallowed, 1);
  EXPECT_TRUE(sidecar_.workflow("w").steps.empty());
  EXPECT_EQ(sidecar_.workflow("w").outcome.kind_case(), v1::Outcome::KIND_NOT_SET);
}

TEST_F(ExecutionTest, AnExecutionThatWasEvictedWritesNothing) {
  std::latch running(1);
  std::latch evicted(1);
  std::latch unwound(1);
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    ctx.step("long", [&] {
      running.count_down();
      evicted.wait();
    });
    unwound.count_down();
  });
  app_->launch();
  const auto handle = workflow.start({.workflow_id = "w"});
  running.wait();
  v1::ServerFrame frame;
  frame.mutable_evict()->mutable_execution()->set_workflow_id("w");
  frame.mutable_evict()->mutable_execution()->set_owner_token(sidecar_.workflow("w").owner_token);
  frame.mutable_evict()->mutable_why()->set_reason(v1::REASON_FENCED);
  sidecar_.Push(frame);
  EXPECT_THROW(handle.result(std::chrono::milliseconds(50)), TimeoutError);
  evicted.count_down();
  app_->shutdown();
  EXPECT_FALSE(unwound.try_wait());
  EXPECT_EQ(CountRecords(sidecar_.frames()), 0U);
}

TEST_F(ExecutionTest, ARefusedRecordStopsTheExecutionAndIsNotItsFailure) {
  sidecar_.Refuse(v1::ClientFrame::kRecordStep, v1::REASON_FENCED, v1::RETRY_CLASS_STOP_EXECUTION);
  std::atomic<int> errors_seen = 0;
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    try {
      ctx.step("first", [] {});
      ctx.step("second", [] {});
    } catch (const std::exception&) {
      ++errors_seen;
    }
  });
  app_->launch();
  const auto handle = workflow.start({.workflow_id = "w"});
  EXPECT_THROW(handle.result(std::chrono::milliseconds(50)), TimeoutError);
  app_->shutdown();
  EXPECT_EQ(errors_seen, 0);
  EXPECT_EQ(sidecar_.workflow("w").outcome.kind_case(), v1::Outcome::KIND_NOT_SET);
}

TEST_F(ExecutionTest, AValueThatIsTooLargeFailsItsStepAndNamesTheLimit) {
  const auto workflow = app_->workflow("w", [](Context& ctx) -> std::string {
    try {
      return ctx.step("big", [] { return std::string(200'000, 'x'); });
    } catch (const StepError& error) {
      return error.message();
    }
  });
  app_->launch();
  EXPECT_NE(workflow.start({}).result().find("the limit is 100000"), std::string::npos);
  EXPECT_THROW(app_->start<std::string>("w", {}, std::string(200'000, 'x')), PayloadTooLarge);
}

TEST_F(ExecutionTest, AStepInsideOfAStepIsPlainCode) {
  const auto workflow = app_->workflow(
      "w", [](Context& ctx) { return ctx.step("outer", [&] { return 1 + ctx.step("inner", [] { return 1; }); }); });
  app_->launch();
  EXPECT_EQ(workflow.start({.workflow_id = "w"}).result(), 2);
  EXPECT_EQ(sidecar_.workflow("w").steps.size(), 1U);
}

TEST_F(ExecutionTest, AStepStartsAndAwaitsNoWorkflow) {
  const auto child = app_->workflow("child", [](Context&) {});
  const auto workflow = app_->workflow("w", [&](Context& ctx, const std::string& call) {
    ctx.step("outer", [&] {
      if (call == "start") ctx.start(child, {});
      if (call == "await") ctx.handle<void>("ended").result();
      if (call == "async") ctx.async("inner", [] {});
    });
  });
  app_->launch();
  child.run({.workflow_id = "ended"});
  for (const std::string call : {"start", "await", "async"}) {
    try {
      workflow.run({.workflow_id = call}, call);
      ADD_FAILURE() << call << ": its record would be missing on every replay of the step";
    } catch (const WorkflowError& error) {
      EXPECT_EQ(error.message(),
                "only Context::step may be called in the body of a step; call this before or after it");
    }
    EXPECT_EQ(sidecar_.workflow(call).steps.size(), 1U) << call;
  }
}

TEST_F(ExecutionTest, TheLongestTimesAreNotOverAtOnce) {
  constexpr std::chrono::milliseconds kMax = std::chrono::milliseconds::max();
  app_ = sidecar_.MakeApp({.name = "test", .launch_timeout = kMax, .request_timeout = kMax});
  std::latch asked(1);
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    asked.wait();
    return ctx.step("s", {.timeout = kMax}, [] { return 1; });
  });
  app_->launch();
  const auto handle = workflow.start({.timeout = kMax});
  std::thread later([&] { asked.count_down(); });
  EXPECT_EQ(handle.result(kMax), 1);
  later.join();
  sidecar_.WaitUntil([](const Frames& frames) {
    return std::any_of(frames.begin(), frames.end(), [](const auto& frame) {
      const std::chrono::milliseconds timeout(frame.start().start().timeout_ms());
      return frame.has_start() && timeout > std::chrono::years(10) && timeout < std::chrono::years(100);
    });
  });
}

TEST_F(ExecutionTest, NamesAndIdsAreChecked) {
  EXPECT_THROW(app_->workflow("", [](Context&) {}), InvalidArgument);
  EXPECT_THROW(app_->workflow("\xff", [](Context&) {}), InvalidArgument);
  const auto workflow = app_->workflow("w", [](Context&) {});
  EXPECT_THROW(app_->workflow("w", [](Context&) {}), InvalidArgument);
  EXPECT_THROW(workflow.start({}), Error);
  app_->launch();
  EXPECT_THROW(workflow.start({.workflow_id = std::string("a\0b", 3)}), InvalidArgument);
  EXPECT_THROW(workflow.start({.workflow_id = std::string(300, 'x')}), InvalidArgument);
  EXPECT_THROW(workflow.start({.timeout = std::chrono::milliseconds(-1)}), InvalidArgument);
}

}  // namespace
}  // namespace dbos::testing
