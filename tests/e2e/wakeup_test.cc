// Work that only another sidecar's process can run begins when it is committed, not with that one's next look.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/e2e/two_sidecars.h"

namespace dbos::sidecar {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

int Times(const std::string& text, const std::string& wanted) {
  int times = 0;
  for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) ++times;
  return times;
}

class WakeupTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::getenv("DBOS_TEST_POSTGRES_URL"), nullptr) << "run by tests/run"; }

  World world_{DatabaseKind::kPostgres};
};

TEST_F(WakeupTest, AnotherSidecarsWorkBeginsAtOnce) {
  TwoSidecars sidecars(world_, TwoSidecars::Looks::kBlind);
  std::vector<absl::Duration> times;
  for (int n = 0; n < 9; ++n) {
    times.push_back(sidecars.TimeToRun("w" + std::to_string(n)));
    ASSERT_LT(times.back(), kPatience) << world_.Logs() << sidecars.AskedLog();
  }
  std::sort(times.begin(), times.end());
  std::printf("from the start to the body, in the other sidecar's process: median %.1f ms, at most %.1f ms\n",
              absl::ToDoubleMilliseconds(times[4]), absl::ToDoubleMilliseconds(times[8]));
  EXPECT_LT(times[4], absl::Milliseconds(500)) << "half of a look once a second";
}

TEST_F(WakeupTest, AListenerThatWasCutOffComesBackAndMissesNothing) {
  TwoSidecars sidecars(world_, TwoSidecars::Looks::kBlind);
  ASSERT_LT(sidecars.TimeToRun("before"), kPatience) << world_.Logs();
  for (int n = 0; n < 3; ++n) {
    EXPECT_FALSE(world_
                     .Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                            "current_database() AND query LIKE 'LISTEN%'")
                     .empty());
    // Told while nobody listens.
    ASSERT_LT(sidecars.TimeToRun("meanwhile" + std::to_string(n)), kPatience) << world_.Logs();
  }
  EXPECT_TRUE(world_.SidecarsWrote("notifications of other sidecars arrive again", 3));
  EXPECT_EQ(Times(sidecars.WorkerLog(), "notifications of other sidecars do not arrive now"), 3);
  ASSERT_LT(sidecars.TimeToRun("after"), kPatience) << world_.Logs();
}

TEST_F(WakeupTest, WithoutThemTheNextLookFindsIt) {
  TwoSidecars sidecars(world_, TwoSidecars::Looks::kAsEver, {"--listen-notify", "off"});
  EXPECT_LT(sidecars.TimeToRun("w"), kPatience) << world_.Logs();
  EXPECT_TRUE(world_
                  .Query("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND "
                         "query LIKE 'LISTEN%'")
                  .empty());
}

}  // namespace
}  // namespace dbos::sidecar
