// Refused operations: which of them stop an execution, and how its workflow ends then.
#include <barrier>
#include <string>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "clients/cpp/src/request_limits.h"
#include "sidecar/rpc/json_check.h"
#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {
namespace {

static_assert(runtime::kJsonDepthMax == sidecar::kJsonDepthMax);

constexpr std::chrono::seconds kPatience{10};

std::string Nested(int levels) {
  return std::string(static_cast<std::size_t>(levels), '[') + std::string(static_cast<std::size_t>(levels), ']');
}

class RefusalTest : public ::testing::Test {
 protected:
  using Frames = FakeSidecar::Frames;
  // How the workflow ends, as its error record.
  static ErrorRecord Failure(const WorkflowHandle<int>& handle) {
    try {
      handle.result(kPatience);
    } catch (const WorkflowError& error) {
      return error.record();
    } catch (const std::exception& error) {
      return {.name = "not a WorkflowError", .message = error.what()};
    }
    return {.name = "no error", .message = ""};
  }
  // A workflow of two steps that keeps to itself whatever it catches.
  auto TwoSteps() {
    return app_->workflow("w", [](Context& ctx) {
      try {
        ctx.step("first", [] {});
        ctx.step("second", [] {});
      } catch (const std::exception&) {
      }
      return 1;
    });
  }

  FakeSidecar sidecar_;
  std::unique_ptr<App> app_ = sidecar_.MakeApp();
};

TEST_F(RefusalTest, ARecordThatIsRefusedForGoodEndsTheWorkflowWithThatError) {
  for (const v1::Reason reason : {v1::REASON_INVALID_REQUEST, v1::REASON_PAYLOAD_TOO_LARGE, v1::REASON_DATABASE_ERROR,
                                  v1::REASON_STEP_MISMATCH, v1::REASON_STEP_ALREADY_RECORDED}) {
    FakeSidecar sidecar;
    const auto app = sidecar.MakeApp();
    const auto workflow = app->workflow("w", [](Context& ctx) {
      ctx.step("first", [] {});
      ctx.step("second", [] {});
      return 1;
    });
    sidecar.Refuse(v1::ClientFrame::kRecordStep, reason, v1::RETRY_CLASS_NEVER);
    app->launch();
    EXPECT_EQ(Failure(workflow.start({.workflow_id = "w"})).message, "refused by the test") << v1::Reason_Name(reason);
    EXPECT_EQ(sidecar.workflow("w").status, v1::WORKFLOW_STATUS_ERROR);
    EXPECT_EQ(sidecar.log().find("elsewhere"), std::string::npos) << sidecar.log();
  }
}

TEST_F(RefusalTest, WhatWasSentBehindTheRefusedOneIsNotSentAgainToASidecarThatDoesNotKnowOfTheRefusal) {
  std::barrier both(2);
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    auto a = ctx.async("a", [&] { return both.arrive_and_wait(), 1; });
    auto b = ctx.async("b", [&] { return both.arrive_and_wait(), 2; });
    return a.get() + b.get();
  });
  app_->launch();
  sidecar_.HoldAcks();
  const auto handle = workflow.start({.workflow_id = "w"});
  v1::ServerFrame refused;
  sidecar_.WaitUntil([&](const Frames& frames) {
    std::size_t records = 0;
    for (const v1::ClientFrame& frame : frames) {
      if (frame.has_record_step() && records++ == 0) refused.mutable_refused()->set_seq(frame.record_step().seq());
    }
    return records == 2;
  });
  refused.mutable_refused()->mutable_error()->set_reason(v1::REASON_DATABASE_ERROR);
  refused.mutable_refused()->mutable_error()->set_retry(v1::RETRY_CLASS_NEVER);
  refused.mutable_refused()->mutable_error()->set_message("refused by the test");
  sidecar_.Push(refused);
  sidecar_.WaitUntil([](const Frames& frames) { return frames.back().complete().outcome().has_error(); });
  const std::size_t before = sidecar_.frames().size();
  sidecar_.Break();
  sidecar_.WaitUntil([&](const Frames& frames) { return frames.size() > before && frames.back().has_complete(); });
  sidecar_.ReleaseAcks();
  EXPECT_EQ(Failure(handle).message, "refused by the test");
  const Frames frames = sidecar_.frames();
  for (std::size_t i = before; i < frames.size(); ++i) {
    EXPECT_FALSE(frames[i].has_record_step());
    EXPECT_FALSE(frames[i].complete().outcome().has_value());
  }
}

TEST_F(RefusalTest, AMismatchThatTheSidecarFindsIsNonDeterminism) {
  const auto workflow = TwoSteps();
  sidecar_.Refuse(v1::ClientFrame::kRecordStep, v1::REASON_STEP_MISMATCH, v1::RETRY_CLASS_NEVER);
  app_->launch();
  EXPECT_EQ(Failure(workflow.start({})).name, "DBOSUnexpectedStepError");
}

TEST_F(RefusalTest, AnOutcomeThatIsRefusedIsReplacedByTheError) {
  const auto workflow = TwoSteps();
  sidecar_.Refuse(v1::ClientFrame::kComplete, v1::REASON_DATABASE_ERROR, v1::RETRY_CLASS_NEVER);
  app_->launch();
  EXPECT_EQ(Failure(workflow.start({.workflow_id = "w"})).message, "refused by the test");
  EXPECT_NE(sidecar_.log().find("workflow w: refused: refused by the test"), std::string::npos) << sidecar_.log();
}

TEST_F(RefusalTest, AChildStartThatIsRefusedForGoodEndsTheParent) {
  const auto child = app_->workflow("child", [](Context&) { return 1; });
  const auto parent = app_->workflow("parent", [&](Context& ctx) { return ctx.start(child, {}).result(); });
  app_->launch();
  sidecar_.AddPending("p", "parent", R"({"positionalArgs":[]})", {});
  sidecar_.Refuse(v1::ClientFrame::kStart, v1::REASON_DATABASE_ERROR, v1::RETRY_CLASS_NEVER);
  sidecar_.Break();  // the new stream dispatches it
  EXPECT_EQ(Failure(app_->handle<int>("p")).message, "refused by the test");
}

TEST_F(RefusalTest, OnlyAFencedExecutionGoesOnElsewhere) {
  const auto workflow = TwoSteps();
  sidecar_.Refuse(v1::ClientFrame::kRecordStep, v1::REASON_FENCED, v1::RETRY_CLASS_STOP_EXECUTION);
  app_->launch();
  EXPECT_THROW(workflow.start({.workflow_id = "w"}).result(std::chrono::milliseconds(100)), TimeoutError);
  EXPECT_NE(sidecar_.log().find("workflow w: goes on elsewhere: "), std::string::npos) << sidecar_.log();
}

TEST_F(RefusalTest, AValueThatIsNestedTooDeepFailsItsStepAndNamesTheLimit) {
  const auto workflow = app_->workflow("w", [](Context& ctx, int levels) -> std::string {
    try {
      return ctx.step("deep", [&] { return RawJson{Nested(levels)}; }).text;
    } catch (const StepError& error) {
      return error.message();
    }
  });
  app_->launch();
  EXPECT_NE(workflow.start({.workflow_id = "w"}, 201).result().find("deeper than 200 levels"), std::string::npos);
  EXPECT_TRUE(sidecar_.workflow("w").steps.at(0).outcome().has_error());
  EXPECT_EQ(workflow.start({}, 200).result(), Nested(200));
}

TEST_F(RefusalTest, BracketsInTextAreNotNesting) {
  const auto workflow = app_->workflow(
      "w", [](Context& ctx) { return ctx.step("text", [] { return "\\\"" + std::string(1000, '['); }); });
  app_->launch();
  EXPECT_EQ(workflow.start({}).result(), "\\\"" + std::string(1000, '['));
}

}  // namespace
}  // namespace dbos::testing
