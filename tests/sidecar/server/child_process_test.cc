#include "sidecar/server/child_process.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "sidecar/base/status.h"
#include "sidecar/server/signals.h"
#include "tests/sidecar/server/temporary_directory.h"

namespace dbos::sidecar {
namespace {

int ExitCodeOf(ChildProcess& child) {
  siginfo_t info{};
  EXPECT_EQ(waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT), 0);
  return child.Ended().value_or(-1);
}

TEST(ChildProcessTest, TellsExitCodesAsAShellDoes) {
  auto code = ChildProcess::Start({"/bin/sh", "-c", "exit 7"}, {});
  ASSERT_TRUE(code.ok());
  EXPECT_EQ(ExitCodeOf(*code), 7);
  auto killed = ChildProcess::Start({"/bin/sh", "-c", "kill -9 $$"}, {});
  EXPECT_EQ(ExitCodeOf(*killed), 128 + SIGKILL);
}

TEST(ChildProcessTest, GetsItsVariablesOnTopOfOurs) {
  const TemporaryDirectory directory;
  setenv("DBOS_TEST_REPLACED", "old", 1);
  auto child = ChildProcess::Start(
      {"/bin/sh", "-c", "echo $DBOS_TEST_REPLACED $DBOS_TEST_NEW ${PATH:+path} > " + directory / "out"},
      {{"DBOS_TEST_REPLACED", "new"}, {"DBOS_TEST_NEW", "added"}});
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(ExitCodeOf(*child), 0);
  EXPECT_EQ(directory.Read("out"), "new added path\n");
}

TEST(ChildProcessTest, DoesNotInheritOurBlockedSignals) {
  Signals signals;
  auto child = ChildProcess::Start({"/bin/sh", "-c", "kill -TERM $$; exit 0"}, {});
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(ExitCodeOf(*child), 128 + SIGTERM);
  signals.Release();
}

TEST(ChildProcessTest, AMissingProgramIsAnErrorNotACrash) {
  const auto child = ChildProcess::Start({"/no/such/program"}, {});
  ASSERT_TRUE(absl::IsNotFound(child.status()));
  EXPECT_NE(Message(child.status()).find("/no/such/program"), std::string::npos);
}

}  // namespace
}  // namespace dbos::sidecar
