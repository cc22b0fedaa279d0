// Errors: refusals of the sidecar as typed exceptions, and a sidecar that is not there.
#include <string>

#include <dbos/dbos.h>

#include "gtest/gtest.h"

#include "tests/clients/fake_sidecar.h"

namespace dbos::testing {
namespace {

TEST(ClientErrorsTest, AConflictingStartIsTyped) {
  FakeSidecar sidecar;
  const auto app = sidecar.MakeApp();
  const auto workflow = app->workflow("w", [](Context&) {});
  app->launch();
  sidecar.Refuse(v1::ClientFrame::kStart, v1::REASON_WORKFLOW_CONFLICT, v1::RETRY_CLASS_NEVER);
  EXPECT_THROW(workflow.start({.workflow_id = "w"}), ConflictingWorkflow);
  sidecar.Refuse(v1::ClientFrame::kStart, v1::REASON_UNSUPPORTED, v1::RETRY_CLASS_NEVER);
  try {
    workflow.start({});
    FAIL();
  } catch (const RequestRefused& error) {
    EXPECT_EQ(error.reason(), "REASON_UNSUPPORTED");
  }
}

TEST(ClientErrorsTest, LaunchSaysWhereItLookedForTheSidecar) {
  App app({.name = "shop",
           .sidecar_address = "unix:/nowhere/sidecar.sock",
           .launch_timeout = std::chrono::milliseconds(100)});
  try {
    app.launch();
    FAIL();
  } catch (const SidecarUnavailable& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/sidecar.sock"), std::string::npos);
  }
}

TEST(ClientErrorsTest, ASessionThatIsRefusedForGoodFailsWhatWaits) {
  FakeSidecar sidecar;
  const auto app = sidecar.MakeApp();
  app->launch();
  std::thread waiter([&] { EXPECT_THROW(app->handle<int>("w").result(), RequestRefused); });
  sidecar.WaitUntil([](const auto& frames) { return frames.back().has_await_workflow(); });
  v1::ServerFrame frame;
  frame.mutable_fatal()->set_reason(v1::REASON_PROTOCOL_VIOLATION);
  frame.mutable_fatal()->set_retry(v1::RETRY_CLASS_NEVER);
  sidecar.Push(frame);
  waiter.join();
  EXPECT_THROW(app->start<void>("w", {}), RequestRefused);
}

TEST(ClientErrorsTest, HandlesOutliveTheApp) {
  FakeSidecar sidecar;
  auto app = sidecar.MakeApp();
  app->launch();
  const auto handle = app->handle<int>("w");
  app.reset();
  EXPECT_THROW(handle.result(), SidecarUnavailable);
}

TEST(ClientErrorsTest, AClientGivesUpAfterItsTime) {
  Client client({.sidecar_address = "unix:/nowhere/sidecar.sock", .request_timeout = std::chrono::milliseconds(100)});
  EXPECT_THROW(client.list(), SidecarUnavailable);
  EXPECT_THROW(client.handle<int>("w").result(std::chrono::milliseconds(50)), TimeoutError);
}

}  // namespace
}  // namespace dbos::testing
