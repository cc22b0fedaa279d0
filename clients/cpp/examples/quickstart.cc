// The smallest durable program: one workflow of two steps. Run a sidecar beside it:
//
//   dbos-sidecar dev --name hello -- ./dbos_quickstart
//
// Kill it while it sleeps and start it again: the first step does not run a second time.
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include <dbos/dbos.h>

namespace {

std::string Greet(dbos::Context& ctx, const std::string& name) {
  const auto greeting = ctx.step("greet", [&] {
    std::cout << "step greet runs" << std::endl;
    return "Hello, " + name;
  });
  return ctx.step("sign", [&] {
    std::cout << "step sign runs" << std::endl;
    std::this_thread::sleep_for(std::chrono::seconds(2));
    return greeting + "!";
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string id = argc > 1 ? argv[1] : "hello-1";
  dbos::App app({.name = "hello", .version = "hello-1"});
  const auto greet = app.workflow("greet", Greet);
  app.launch();
  std::cout << greet.run({.workflow_id = id}, "world") << std::endl;
}
