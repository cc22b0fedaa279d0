// Uses the installed client as a user does: a workflow under test without a sidecar, and an app that finds none.
#include <chrono>
#include <iostream>
#include <string>

#include <dbos/dbos.h>
#include <dbos/testing.h>

#if defined(GRPCPP_GRPCPP_H) || defined(GOOGLE_PROTOBUF_MESSAGE_H__) || defined(ABSL_BASE_CONFIG_H_)
#error "a public header of the client shows gRPC, Protobuf or Abseil"
#endif

namespace {

std::string Greet(dbos::Context& ctx, const std::string& name) {
  return ctx.step("greet", [&] { return "Hello, " + name; });
}

int Fail(const std::string& what) {
  std::cerr << what << "\n";
  return 1;
}

}  // namespace

int main() {
  dbos::testing::WorkflowTest test;
  if (Greet(test.context(), "world") != "Hello, world") return Fail("the workflow gave another result");
  if (test.steps().size() != 1 || test.steps()[0].output != "\"Hello, world\"")
    return Fail("the step was not recorded");

  dbos::App app({.name = "outside",
                 .version = "outside-1",
                 .sidecar_address = "unix:/nowhere/sidecar.sock",
                 .launch_timeout = std::chrono::milliseconds(200)});
  app.workflow("greet", Greet);
  try {
    app.launch();
  } catch (const dbos::SidecarUnavailable& error) {
    std::cout << error.what() << "\n";
    return 0;
  }
  return Fail("launch() found a sidecar where there is none");
}
