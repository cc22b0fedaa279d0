// Operations after a pause. gRPC's callback threads sleep for 100 ms after each second without an event, and whatever
// comes then waits for them; the session's ping every 400 ms keeps them awake.
#include <algorithm>
#include <chrono>
#include <vector>

#include <dbos/dbos.h>
#include <gtest/gtest.h>

#include "tests/e2e/world.h"

namespace dbos::sidecar {
namespace {

// Long enough for the threads to fall asleep, and not long enough for them to wake up by themselves; and some others.
constexpr int kDangerousMs[] = {1010, 1030, 1050, 1070};
constexpr int kHarmlessMs[] = {50, 150, 420};
constexpr int kRounds = 4;

double Percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

TEST(IdleTest, TheFirstOperationAfterAPauseIsAsFastAsTheOthers) {
  World world(DatabaseKind::kSqlite);
  world.StartSidecar("", {"--name", "idle"});
  dbos::App app({.name = "idle", .version = "idle-1", .sidecar_address = world.address()});
  auto workflow =
      app.workflow("one_step", [](dbos::Context& ctx, int n) { return ctx.step("step", [&] { return n; }); });
  app.launch();
  const auto run = [&] {
    const absl::Duration began = SinceBoot();
    workflow.start({}, 1).result();
    return absl::ToDoubleMilliseconds(SinceBoot() - began);
  };
  for (int i = 0; i < 20; ++i) run();
  std::vector<double> rested;
  std::vector<double> all;
  std::vector<double> busy;
  const auto sample = [&](int pause_ms) {
    Pause(absl::Milliseconds(pause_ms));  // paces: the pause is what is tested
    all.push_back(run());
    busy.push_back(run());
    return all.back();
  };
  for (int i = 0; i < kRounds; ++i) {
    for (const int pause_ms : kDangerousMs) rested.push_back(sample(pause_ms));
    for (const int pause_ms : kHarmlessMs) sample(pause_ms);
  }
  // Both in one run, so that a loaded machine slows both; asleep, most of `rested` take 60 ms and more.
  const double bound = 3 * Percentile(busy, 0.75) + 25;
  EXPECT_LT(Percentile(rested, 0.75), bound) << "median " << Percentile(rested, 0.5);
  EXPECT_LT(Percentile(all, 0.75), bound);
  for (const auto& [name, samples] : {std::pair("after a pause", &all), std::pair("busy", &busy)}) {
    RecordProperty(name, std::to_string(Percentile(*samples, 0.99)));
    std::printf("%s: median %.1f ms, 99th percentile %.1f ms\n", name, Percentile(*samples, 0.5),
                Percentile(*samples, 0.99));
  }
}

}  // namespace
}  // namespace dbos::sidecar
