// The application of the crash tests. Every step body writes one line to the ledger before it returns, with a number
// that no other run of any body has; the recorded results are those numbers. So the ledger says what ran how often, and
// the records say which run counts.
//
//   ledger_app LEDGER [kill|stop BEFORE|AFTER STEP]     the process strikes itself in the body of that step, once,
//                                                     and leaves a file "struck"
//
// With DBOS_TEST_STREAM_FAULT it strikes itself while it reconnects: see faulty_transport.h.
//
// Workflow "ledger"(steps): `steps` steps one after another, then two at once, then a child "ledger_child", then one
// more.
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <dbos/dbos.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "clients/cpp/src/app_runtime.h"
#include "clients/cpp/src/channel.h"
#include "clients/cpp/src/grpc_transport.h"
#include "clients/cpp/src/sql_stream.h"
#include "clients/cpp/src/unary_access.h"
#include "tests/e2e/faulty_transport.h"

namespace {

struct Strike {
  int signal = 0;
  std::string moment;
  std::string step;
};

class Ledger {
 public:
  Ledger(const char* path, Strike strike)
      : file_(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)), strike_(std::move(strike)) {}

  std::string Run(const std::string& workflow, const std::string& step) {
    StrikeIf("before", step);
    const std::string nonce = std::to_string(getpid()) + "." + std::to_string(++count_);
    const std::string line = workflow + " " + step + " " + nonce + "\n";
    if (write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
    StrikeIf("after", step);
    return nonce;
  }

 private:
  void StrikeIf(const std::string& moment, const std::string& step) {
    if (strike_.signal == 0 || strike_.moment != moment || strike_.step != step || struck_.exchange(true)) return;
    std::ofstream("struck") << step;  // the proof, for the test
    kill(getpid(), strike_.signal);
    usleep(20'000);  // paces the strike: the signal may take effect a moment later, in this thread too
  }

  const int file_;
  const Strike strike_;
  std::atomic<bool> struck_{false};
  std::atomic<int> count_{0};
};

// The runtime that dbos::App makes for itself, with a transport of ours.
std::shared_ptr<dbos::detail::AppRuntime> FaultyRuntime(const dbos::AppOptions& options, const std::string& faults) {
  const auto channel = dbos::runtime::OpenChannel(dbos::runtime::ResolveAddress(options.sidecar_address));
  auto transport = std::make_unique<dbos::testing::FaultyTransport>(
      std::make_unique<dbos::runtime::GrpcTransport>(channel), dbos::testing::ParseStreamFaults(faults));
  auto unary = std::make_shared<dbos::detail::UnaryAccess>(channel, options.request_timeout);
  return std::make_shared<dbos::detail::AppRuntime>(options, std::move(transport), std::move(unary),
                                                    std::make_shared<dbos::runtime::SqlStreams>(channel));
}

dbos::App MakeApp(const dbos::AppOptions& options) {
  const char* faults = std::getenv("DBOS_TEST_STREAM_FAULT");
  if (faults == nullptr || *faults == '\0') return dbos::App(options);
  return dbos::App(FaultyRuntime(options, faults));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 5) {
    std::cerr << "usage: ledger_app LEDGER [kill|stop before|after STEP]\n";
    return 2;
  }
  Strike strike;
  if (argc == 5) strike = {std::string(argv[2]) == "kill" ? SIGKILL : SIGSTOP, argv[3], argv[4]};
  Ledger ledger(argv[1], strike);

  dbos::App app = MakeApp({.name = "crash-test", .version = "crash-test-1"});
  auto child = app.workflow("ledger_child", [&](dbos::Context& ctx) {
    return ctx.step("c0", [&] { return ledger.Run(ctx.workflow_id(), "c0"); });
  });
  app.workflow("ledger", [&](dbos::Context& ctx, int steps) {
    std::vector<std::string> seen;
    for (int i = 0; i < steps; ++i) {
      const std::string name = "s" + std::to_string(i);
      seen.push_back(ctx.step(name, [&] { return ledger.Run(ctx.workflow_id(), name); }));
    }
    auto left = ctx.async("left", [&] { return ledger.Run(ctx.workflow_id(), "left"); });
    auto right = ctx.async("right", [&] { return ledger.Run(ctx.workflow_id(), "right"); });
    seen.push_back(left.get());
    seen.push_back(right.get());
    seen.push_back(ctx.start(child, {}).result());
    seen.push_back(ctx.step("last", [&] { return ledger.Run(ctx.workflow_id(), "last"); }));
    return seen;
  });
  app.launch();
  std::cout << "ready" << std::endl;
  while (true) pause();
}
