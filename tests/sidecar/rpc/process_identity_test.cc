#include "sidecar/rpc/process_identity.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace dbos::sidecar {
namespace {

TEST(ProcessIdentityTest, KnowsThatThisProcessLives) {
  const auto self = IdentityOf(getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(LivenessOf(*self), Liveness::kAlive);
}

TEST(ProcessIdentityTest, AnotherProcessWithTheSamePidIsNotTheOne) {
  auto self = *IdentityOf(getpid());
  ++self.start_time_ticks;
  EXPECT_EQ(LivenessOf(self), Liveness::kGone);
}

TEST(ProcessIdentityTest, NobodyCanTellAcrossPidNamespaces) {
  auto self = *IdentityOf(getpid());
  self.pid_namespace = "pid:[1]";
  EXPECT_EQ(LivenessOf(self), Liveness::kUnknown);
  EXPECT_EQ(LivenessOf({}), Liveness::kUnknown);
}

TEST(ProcessIdentityTest, AKilledProcessIsGoneEvenBeforeItIsReaped) {
  const pid_t child = fork();
  if (child == 0) {
    while (true) pause();
  }
  const auto identity = IdentityOf(child);
  ASSERT_TRUE(identity);
  EXPECT_EQ(LivenessOf(*identity), Liveness::kAlive);
  kill(child, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(LivenessOf(*identity), Liveness::kGone) << "a zombie";
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(LivenessOf(*identity), Liveness::kGone);
}

}  // namespace
}  // namespace dbos::sidecar
