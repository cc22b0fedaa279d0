// Records that the sidecar refuses: the execution ends there, the process and its other executions go on.
#include <atomic>
#include <string>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {
namespace {

class RefusalTest : public ::testing::Test {
 protected:
  FakeSidecar sidecar_;
  std::unique_ptr<App> app_ = sidecar_.MakeApp();
};

TEST_F(RefusalTest, AnExecutionWithARefusedRecordStopsAndOthersGoOn) {
  std::atomic<int> bodies = 0;
  std::atomic<int> caught = 0;
  const auto workflow = app_->workflow("w", [&](Context& ctx) {
    try {
      ctx.step("first", [&] { ++bodies; });
      ctx.step("second", [&] { ++bodies; });
      return 1;
    } catch (const std::exception&) {
      ++caught;
      return 2;
    }
  });
  app_->launch();
  for (const v1::Reason reason :
       {v1::REASON_INVALID_REQUEST, v1::REASON_PAYLOAD_TOO_LARGE, v1::REASON_PRECEDING_OPERATION_FAILED}) {
    const std::string id = "refused-" + std::to_string(reason);
    bodies = 0;
    sidecar_.Refuse(
        v1::ClientFrame::kRecordStep, reason,
        reason == v1::REASON_PRECEDING_OPERATION_FAILED ? v1::RETRY_CLASS_STOP_EXECUTION : v1::RETRY_CLASS_NEVER);
    const auto handle = workflow.start({.workflow_id = id});
    EXPECT_THROW(handle.result(std::chrono::milliseconds(50)), TimeoutError);
    EXPECT_EQ(bodies, 1) << "the second body needs the first record";
    EXPECT_EQ(sidecar_.workflow(id).outcome.kind_case(), v1::Outcome::KIND_NOT_SET);
    sidecar_.Refuse(v1::ClientFrame::kRecordStep, v1::REASON_UNSPECIFIED, v1::RETRY_CLASS_UNSPECIFIED);
    EXPECT_EQ(workflow.start({.workflow_id = "good-" + id}).result(), 1);
  }
  EXPECT_EQ(caught, 0) << "a refusal is not an exception of the workflow";
}

TEST_F(RefusalTest, AValueThatIsNestedTooDeepFailsItsStepAndNamesTheLimit) {
  const auto workflow = app_->workflow("w", [](Context& ctx, int levels) -> std::string {
    try {
      const auto nested = [levels](const std::string& inner) {
        const auto count = static_cast<std::size_t>(levels);
        return RawJson{std::string(count, '[') + inner + std::string(count, ']')};
      };
      ctx.step("brackets in text", [&] { return RawJson{"\"\\\"" + std::string(500, '[') + "\""}; });
      ctx.step("deep", [&] { return nested("1"); });
      return "recorded";
    } catch (const StepError& error) {
      return error.message();
    }
  });
  app_->launch();
  EXPECT_EQ(workflow.start({}, 200).result(), "recorded");
  EXPECT_NE(workflow.start({}, 201).result().find("200 levels"), std::string::npos);
}

}  // namespace
}  // namespace dbos::testing
